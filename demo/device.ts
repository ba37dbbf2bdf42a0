import { join } from 'node:path';
import { useKinds } from '../tests/e2e/systems/local-kinds.ts';
import { noteKinds } from '../tests/e2e/systems/notes/client.ts';
import { type Data, type LocalEdit, Outbox } from '../tests/outbox/outbox.ts';
import { startTcpProxy, type TcpProxy } from '../tests/testkit/network/tcp-proxy.ts';
import type { DemoService } from './demo-service.ts';

/** A person's device: an outbox in a file, behind a network of its own. */
export interface DemoDevice {
  readonly name: string;
  readonly outbox: Outbox;
  readonly network: TcpProxy;
  /** Queues an edit as if the user had made it that many minutes ago. */
  edit(minutesAgo: number, edit: LocalEdit): void;
  /** The notes by id, as the user sees them. */
  notes(): ReadonlyMap<string, Data>;
  countEvents(status: 'pending' | 'failed'): number;
  /** Syncs until no event is pending. @returns how many events had which result, in words */
  catchUp(): Promise<string>;
  close(): Promise<void>;
}

const minute = 60_000;

/** @param fastBy minutes that the device's clock is ahead of the true time */
export async function openDevice(
  stage: DemoService,
  tenant: string,
  name: string,
  fastBy = 0,
): Promise<DemoDevice> {
  const network = await startTcpProxy(`http://${stage.host}:${stage.port}`);
  const token = await stage.token(tenant, name);
  const answered = new Map<string, number>();
  const { apply, entityOf } = useKinds(noteKinds);
  let minutesAgo = 0;
  const outbox = new Outbox({
    file: join(stage.folder, `${name}.sqlite`),
    url: network.url,
    token: () => token,
    clock: () => Date.now() + (fastBy - minutesAgo) * minute,
    fetch: countingFetch(answered),
  });
  return {
    name,
    outbox,
    network,
    edit(ago, edit) {
      minutesAgo = ago;
      outbox.enqueue(...entityOf(edit), edit);
      minutesAgo = 0;
    },
    notes: () => outbox.view('note', apply),
    countEvents: (status) => outbox.read('queue WHERE status = ?', status).length,
    async catchUp() {
      answered.clear();
      await outbox.drain();
      return [...answered].map(([status, count]) => `${count} ${status}`).join(', ') || 'nothing';
    },
    async close() {
      outbox.database.close();
      await network.close();
    },
  };
}

/** Counts the events of each push by their result. */
function countingFetch(answered: Map<string, number>): typeof fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    if (init?.method !== 'POST' || !answer.ok) return answer;
    const { results } = JSON.parse(await answer.clone().text());
    for (const { status } of results) answered.set(status, (answered.get(status) ?? 0) + 1);
    return answer;
  };
}
