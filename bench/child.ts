import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A process of the benchmark's own, the other side of `serveParent`. */
export interface Child<Ready> {
  readonly ready: Ready;
  readonly pid: number;
  /** @throws Error with what went wrong in the child, or because it ended */
  ask<Answer>(message: object): Promise<Answer>;
  /** Resolves once the process has ended. */
  stop(): Promise<void>;
}

type Reply = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Waiting = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Runs a module that calls `serveParent` and waits until it is ready.
 *
 * @throws Error with what it wrote, where it does not get there
 */
export async function startChild<Ready>(module: URL, settings: object): Promise<Child<Ready>> {
  const child = fork(module, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true });
  const channel = openChannel(child);
  await channel.wait(-1);
  const ready = channel.wait(0);
  child.send(settings);
  let lastId = 0;
  return {
    ready: (await ready) as Ready,
    pid: child.pid ?? 0,
    async ask<Answer>(message: object) {
      lastId += 1;
      const answer = channel.wait(lastId);
      child.send({ id: lastId, message });
      return (await answer) as Answer;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function openChannel(child: ChildProcess) {
  const waiting = new Map<number, Waiting>();
  let words = '';
  child.stderr?.on('data', (chunk) => (words = (words + String(chunk)).slice(-4_000)));
  child.on('message', ({ id, value, error }: Reply) => {
    const waits = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waits?.resolve(value);
    else waits?.reject(new Error(error));
  });
  child.once('close', () => {
    const error = new Error(`${child.spawnfile} ${child.spawnargs.at(-1)} ended:\n${words}`);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  return {
    wait(id: number): Promise<unknown> {
      const waits = Promise.withResolvers<unknown>();
      // The asker may have been told already, by an error elsewhere, and no longer listen.
      waits.promise.catch(() => {});
      waiting.set(id, waits);
      return waits.promise;
    },
  };
}
