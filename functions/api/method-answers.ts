import { AppError } from '../../shared/errors/app-error.ts';
import type { Api } from './api-host.ts';

/** Answers METHOD_NOT_ALLOWED for a known path and another method. Call it behind the last route. */
export function addMethodAnswers(app: Api): void {
  for (const [path, methods] of methodsByPath(app)) {
    const allowed = [...methods].join(', ');
    app.all(path, (c) => {
      c.header('Allow', allowed);
      throw new AppError('METHOD_NOT_ALLOWED', `${c.req.method} is not for ${path}.`, {
        hint: `It takes: ${allowed}.`,
      });
    });
  }
}

function methodsByPath(app: Api): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue;
    const methods = found.get(path) ?? new Set<string>();
    methods.add(method);
    if (method === 'GET') methods.add('HEAD');
    found.set(path, methods);
  }
  return found;
}
