import { test } from 'vitest';
import { createRegistryRequests } from '../../../../../functions/adapters/gcp/registry-requests.ts';

const HOST = 'europe-docker.pkg.dev';

test.for([
  [`https://${HOST}/upload`, 'Bearer secret'],
  [`https://${HOST}:443/upload`, 'Bearer secret'],
  [`https://${HOST}:444/upload`, null],
  [`http://${HOST}/upload`, null],
  ['https://evil.example/upload', null],
] as const)('an upload to %s is signed in as %s', async ([address, expected], { expect }) => {
  const sent: (string | null)[] = [];
  const requests = createRegistryRequests({
    host: HOST,
    accessToken: async () => 'secret',
    fetch: async (_, init) => {
      sent.push(new Headers(init?.headers).get('authorization'));
      return new Response(null, { status: 201 });
    },
    clock: { now: () => 0, sleep: async () => undefined },
    random: () => 0,
  });
  await requests.upload({
    url: new URL(address),
    purpose: { host: HOST, name: 'project/caliban', writes: true },
    size: 0,
    source: (async function* () {})(),
  });
  expect(sent).toEqual([expected]);
});
