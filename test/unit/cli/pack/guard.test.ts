import { describe, test } from 'vitest';
import { refuseCredentials } from '../../../../cli/pack/guard.ts';
import { planPack } from '../../../../cli/pack/plan.ts';
import { aProject, type Content } from './a-project.ts';

const PEM = '-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n';
const SERVICE_ACCOUNT = JSON.stringify({ type: 'service_account', private_key: PEM }, null, 2);
const USER_GRANT = '{"client_id":"c","refresh_token":"r","type": "authorized_user"}';

describe('credentials are refused', () => {
  test.for<[path: string, content: string, reason: string]>([
    ['id_rsa', 'x', 'is a private SSH key'],
    ['.ssh/id_ed25519', 'x', 'is a private SSH key'],
    ['certs/server.pem', PEM, 'holds a private key'],
    ['certs/server.key', PEM, 'holds a private key'],
    ['key.json', SERVICE_ACCOUNT, 'is the key of a service account'],
    [
      'compact.json',
      JSON.stringify(JSON.parse(SERVICE_ACCOUNT)),
      'is the key of a service account',
    ],
    ['grant.json', USER_GRANT, 'holds your Google credentials'],
    ['application_default_credentials.json', '{}', 'holds your Google credentials'],
    ['.env', '', 'usually holds secrets'],
    ['conf/.env.production', '', 'usually holds secrets'],
    ['.netrc', '', 'holds passwords'],
    ['.pypirc', '', 'holds registry passwords'],
    ['.npmrc', 'registry=x\n//host/:_authToken=abc\n', 'holds a registry token'],
  ])('%s', async ([path, content, reason], { expect }) => {
    const contextDir = aProject({ 'train.py': '', [path]: content });
    await expect(planPack({ contextDir, moduleArgument: 'train.py' })).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: `Not packed: ${path} ${reason}.`,
      hint: expect.stringMatching(/^Credentials must not .*add to \.dockerignore:\n {2}\S+$/s),
    });
  });

  test('all of them at once, and the lines of the hint are enough', async ({ expect }) => {
    const files: Record<string, Content> = {
      'train.py': '',
      '.env': '',
      'a b/key.json': SERVICE_ACCOUNT,
      'k[1].pem': PEM,
    };
    const refused = planPack({ contextDir: aProject(files), moduleArgument: 'train.py' });
    const hint = await refused.then(
      () => '',
      (error: { hint: string }) => error.hint,
    );
    const dockerignore = hint.slice(hint.indexOf('\n') + 1);
    const plan = await planPack({
      contextDir: aProject({ ...files, '.dockerignore': dockerignore }),
      moduleArgument: 'train.py',
    });
    expect(plan.layers[0]?.entries.map(({ path }) => path)).toEqual([
      'usr/app/.dockerignore',
      'usr/app/a b',
      'usr/app/train.py',
    ]);
  });
});

test.for<[path: string, content: string]>([
  ['public.pem', '-----BEGIN CERTIFICATE-----\n'],
  ['keyboard.key', 'layout'],
  ['data.json', '{"type": "service", "private_key": 1}'],
  ['schema.json', '{"type": "service_account"}'],
  ['.env.example', 'TOKEN='],
  ['env', ''],
  ['.npmrc', `# _authToken=abc\n//host/:_authToken=\${NPM_TOKEN}\n`],
  ['id_rsa.pub', 'ssh-rsa'],
  ['large.json', SERVICE_ACCOUNT + ' '.repeat(64 * 1024)],
])('%s is no credential', async ([path, content], { expect }) => {
  const contextDir = aProject({ [path]: content });
  await expect(
    refuseCredentials(contextDir, [{ from: path, size: content.length }]),
  ).resolves.toBeUndefined();
});
