import { type ErrorBody, errorBody } from '../../shared/api/error.ts';

/** An error answer, taken apart; fails when it is not in the one error form. */
export async function errorOf(
  answer: Response | Promise<Response>,
): Promise<ErrorBody['error'] & { readonly status: number; readonly headers: Headers }> {
  const response = await answer;
  const { error } = errorBody.parse(await response.json());
  return { ...error, status: response.status, headers: response.headers };
}
