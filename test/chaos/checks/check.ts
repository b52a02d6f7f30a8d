/** One promise, what was looked at, and what is wrong. */
export interface Check {
  readonly promise: string;
  /** How much was looked at, in words. */
  readonly seen: string;
  readonly wrong: readonly string[];
}

/** The findings of a check, the first few of each. */
export function check(promise: string, seen: string, wrong: readonly string[]): Check {
  return { promise, seen, wrong };
}

/** A list without what is undefined. */
export function found(...findings: readonly (string | undefined)[]): readonly string[] {
  return findings.filter((finding) => finding !== undefined);
}
