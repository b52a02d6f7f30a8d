import { setImmediate } from 'node:timers/promises';
import { aSpec } from '../../doubles/a-spec.ts';
import type { HostileCase } from './hostile-case.ts';
import { answerOn, TOKEN } from './hostile-service.ts';

const BAD_SPEC = JSON.stringify({ ...aSpec(), module: 7 });

/** Requests written byte by byte, half-closed connections, and headers that fetch would not send. */
export const CONNECTION_CASES: readonly HostileCase[] = [
  {
    name: 'a slow body: one byte at a time',
    code: 'REQUEST_INVALID',
    says: 'module',
    async send({ dial }) {
      const socket = await dial();
      socket.setNoDelay(true);
      socket.write(head({ 'Content-Length': `${BAD_SPEC.length}` }));
      for (const character of BAD_SPEC) {
        socket.write(character);
        await setImmediate();
      }
      return answerOn(socket);
    },
  },
  {
    name: 'a connection half-closed behind a whole request',
    code: 'REQUEST_INVALID',
    says: 'module',
    async send({ dial }) {
      const socket = await dial();
      socket.end(head({ 'Content-Length': `${BAD_SPEC.length}` }) + BAD_SPEC);
      return answerOn(socket);
    },
  },
  {
    name: 'a chunked body over the limit that declares no length',
    code: 'REQUEST_TOO_LARGE',
    says: '2097152',
    async send({ dial }) {
      const socket = await dial();
      const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`;
      socket.write(
        `${head({ 'Transfer-Encoding': 'chunked' })}${chunk}${chunk}1\r\n \r\n0\r\n\r\n`,
      );
      return answerOn(socket);
    },
  },
  {
    name: 'a declared length of 4 GiB',
    code: 'REQUEST_TOO_LARGE',
    says: '2097152',
    async send({ dial }) {
      const socket = await dial();
      socket.write(head({ 'Content-Length': '4294967296' }));
      return answerOn(socket);
    },
  },
  {
    name: 'a foreign host',
    code: 'FORBIDDEN',
    says: 'evil.example',
    async send({ dial }) {
      const socket = await dial();
      socket.write(head({ Host: 'evil.example', 'Content-Length': '0' }));
      return answerOn(socket);
    },
  },
  {
    name: 'two tokens',
    code: 'UNAUTHENTICATED',
    says: 'token',
    async send({ dial }) {
      const socket = await dial();
      socket.write(head({ Authorization: `Bearer ${TOKEN} ${TOKEN}`, 'Content-Length': '0' }));
      return answerOn(socket);
    },
  },
];

/** Head of a submission on a connection that closes behind its answer. */
export function head(changes: Readonly<Record<string, string>>): string {
  const headers = {
    Host: 'localhost',
    Authorization: `Bearer ${TOKEN}`,
    'Content-Type': 'application/json',
    'Idempotency-Key': 'hostile',
    Connection: 'close',
    ...changes,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /v1/submissions HTTP/1.1\r\n${lines.join('')}\r\n`;
}
