import { createServer, type Socket } from 'node:net';

/** Processes that a test starts through others, so that it does not hold them: each keeps a connection and tells its pid. */
export interface Lifeline {
  /** Where they connect. */
  readonly path: string;
  /** Pids of those that were ever there. */
  readonly pids: readonly number[];
  /** Ends all of them and waits until they have gone; who comes later finds no line and ends by itself. */
  endAll(): Promise<void>;
}

/** Listens at a path of the test's own, in a folder that exists. */
export async function createLifeline(path: string): Promise<Lifeline> {
  const pids: number[] = [];
  const held = new Map<Socket, number>();
  let ending = false;
  // Its pid is no other process's while its connection stands; a stopped one, too, is ended by this signal.
  const end = (pid: number) => process.kill(pid, 'SIGKILL');
  const server = createServer((socket) => {
    let told = '';
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      told += text;
      if (!told.endsWith('\n')) return;
      const pid = Number(told);
      pids.push(pid);
      held.set(socket, pid);
      if (ending) end(pid);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => held.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return {
    path,
    pids,
    async endAll() {
      ending = true;
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      for (const pid of held.values()) end(pid);
      await closed;
    },
  };
}
