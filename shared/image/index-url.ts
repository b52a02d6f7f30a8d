/** What is wrong with the address of a package index, and what to do. Neither tells a secret of it. */
export interface IndexUrlProblem {
  /** Follows the name of the setting. */
  readonly message: string;
  readonly hint: string;
}

/**
 * Why an address cannot be one of a package index; null: it can. Secrets are for its user and password, which installers never print; a
 * query or fragment they would, and a query says nothing to them.
 */
export function indexUrlProblem(given: string): IndexUrlProblem | null {
  if (!/^https?:\/\/[!-~]+$/.test(given) || !URL.canParse(given)) {
    return {
      message: 'is no http or https address.',
      hint: 'Set it to one, as in https://packages.example/simple.',
    };
  }
  const [address = '', rest] = given.split(/[?#]/, 2);
  if (rest === undefined) return null;
  return {
    message: `${shown(address, given)}has a query or a fragment (from ? or # on), which would be printed in build logs.`,
    hint: 'Leave it out. A token goes where a password does: https://USER:TOKEN@packages.example/simple.',
  };
}

// What stands before the @ may be a password with a ? in it: then nothing is certain to be none.
function shown(address: string, given: string): string {
  const url = URL.parse(address);
  if (url === null || given.lastIndexOf('@') > address.length) return '';
  return `${url.origin}${url.pathname} `;
}
