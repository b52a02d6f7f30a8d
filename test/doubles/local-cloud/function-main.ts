import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { getTestServer } from '@google-cloud/functions-framework/testing';

/**
 * One function of the built folder in a process of its own, as Cloud Functions runs it: `node function-main.ts FOLDER NAME`. Prints its
 * port once it listens on loopback, and ends with SIGTERM.
 */
const [folder = '', name = ''] = process.argv.slice(2);
await import(new URL('index.js', `file://${folder}/`).href);
const server = getTestServer(name).listen(0, '127.0.0.1');
await once(server, 'listening');
// Ctrl-C in a terminal goes to the whole group: whoever started this process ends it.
process.on('SIGINT', () => undefined);
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
