import { join } from 'node:path';
import { drain } from '../tests/outbox/drain.ts';
import { noteKinds } from '../tests/outbox/notes.ts';
import { createOutbox, type Outbox } from '../tests/outbox/outbox.ts';
import type { Edit } from '../tests/outbox/queue.ts';
import { startTcpProxy, type TcpProxy } from '../tests/testkit/tcp-proxy.ts';
import type { Stage } from './stage.ts';

/** A person's device: an outbox in a file, behind a network of its own. */
export interface Device {
  readonly name: string;
  readonly outbox: Outbox;
  readonly network: TcpProxy;
  /** Edits as if that many minutes ago. */
  edit(minutesAgo: number, edit: Edit): void;
  /** Syncs until nothing waits. @returns what the service said of the events, in words */
  catchUp(): Promise<string>;
  close(): Promise<void>;
}

const minute = 60_000;

/** @param fastBy minutes that the device's clock is ahead of the true time */
export async function openDevice(
  stage: Stage,
  tenant: string,
  name: string,
  fastBy = 0,
): Promise<Device> {
  const network = await startTcpProxy(`http://${stage.host}:${stage.port}`);
  const token = await stage.token(tenant, name);
  const answered = new Map<string, number>();
  let minutesAgo = 0;
  const outbox = createOutbox({
    file: join(stage.folder, `${name}.sqlite`),
    url: network.url,
    token: () => token,
    kinds: noteKinds,
    clock: () => Date.now() + (fastBy - minutesAgo) * minute,
    fetch: countingFetch(answered),
  });
  return {
    name,
    outbox,
    network,
    edit(ago, edit) {
      minutesAgo = ago;
      outbox.enqueue(edit);
      minutesAgo = 0;
    },
    async catchUp() {
      answered.clear();
      await drain(outbox, { clock: () => Date.now() + fastBy * minute });
      return [...answered].map(([status, count]) => `${count} ${status}`).join(', ') || 'nothing';
    },
    async close() {
      outbox.close();
      await network.close();
    },
  };
}

/** Counts the events of each push by what became of them. */
function countingFetch(answered: Map<string, number>): typeof fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (init?.method !== 'POST' || !answer.ok) return answer;
    const { results } = JSON.parse(await answer.clone().text());
    for (const { status } of results) answered.set(status, (answered.get(status) ?? 0) + 1);
    return answer;
  };
}
