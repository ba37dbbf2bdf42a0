import { setTimeout as sleep } from 'node:timers/promises';
import { createDevice, type Device } from '../tests/testkit/checker/device.ts';
import type { History, PushRequest } from '../tests/testkit/checker/history.ts';
import { sendByHttp } from '../tests/testkit/checker/send.ts';
import type { SentEvent } from '../tests/testkit/oracle/events.ts';
import { createAuthor } from './edits/create-author.ts';
import { createDeeds } from './edits/deeds.ts';
import type { Node } from './node.ts';
import { createRandom } from './random.ts';
import { settleOne, type Settlement } from './settlements.ts';

export interface UserOptions {
  readonly seed: number;
  readonly tenant: string;
  readonly name: string;
  /** Founds what the tenant's others play with. */
  readonly isFirst: boolean;
  readonly nodes: readonly [Node, Node];
  readonly history: History;
  readonly settlements: Settlement[];
}

/** Somebody with a device: edits, sends, sends again, pulls, settles conflicts, and moves about. */
export interface User {
  readonly device: Device;
  /** Other clients of the tenant that began anew beside it. */
  readonly others: readonly Device[];
  /** Until `ending`. */
  live(ending: AbortSignal): Promise<void>;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const scope = 'sync:push sync:pull colony:admin';
/** Clocks that are right, a little off, and off by up to a year. */
const offsetsMs = [0, 0, 90 * 1000, -7 * minuteMs, 365 * dayMs, -365 * dayMs, 40 * dayMs] as const;
/** What waits for another try at any time. */
const maxWaiting = 40;
const maxOthers = 3;
const maxSent = 30;

export function createUser(options: UserOptions): User {
  const { seed, tenant, name, isFirst, nodes, history, settlements } = options;
  const random = createRandom(seed, `${tenant} ${name}`);
  const offset = random.pick(offsetsMs);
  const clock = () => Date.now() + offset;
  let node = random.pick(nodes);
  const address = {
    url: () => node.url,
    token: () => nodes[0].token({ tenant, device: name, scope }),
    timeoutMs: random.pick([1_500, 4_000, 15_000]),
  };
  const device = createDevice({ ...address, history, name, clock });
  const send = sendByHttp(address);
  const author = createAuthor({
    device: name,
    random,
    now: clock,
    find: (entityType, entityId) => device.table.get(`${entityType} ${entityId}`),
  });
  const act = createDeeds(isFirst);
  const others: Device[] = [];
  const sent: (readonly SentEvent[])[] = [];
  let waiting: readonly SentEvent[] = [];
  let isReached = true;

  function note({ outcome, events, answer }: PushRequest): void {
    isReached = outcome === 'ok';
    if (!isReached) move();
    if (!answer) {
      waiting = [...waiting, ...events];
    } else {
      const again = new Set<string | null>();
      for (const { identityKey, retryable } of answer.failed) {
        if (retryable) again.add(identityKey);
        else if (identityKey !== null) author.forget(identityKey);
      }
      waiting = [...waiting, ...events.filter(({ identityKey }) => again.has(identityKey))];
    }
    // What is left out here still waits in the device, for the end.
    waiting = waiting.slice(-maxWaiting);
  }

  /** What waited goes first, as an outbox keeps its order; now and then it does not. */
  async function edit(): Promise<void> {
    const fresh = Array.from({ length: random.int(1, 5) }, () => act(author)).flat();
    const ahead = random.chance(0.6) ? waiting : [];
    if (ahead.length > 0) waiting = [];
    const batch = unique([...ahead, ...fresh]);
    sent.push(batch);
    if (sent.length > maxSent) sent.splice(random.int(0, sent.length - 1), 1);
    note(await device.push(batch, { atomic: random.chance(0.1) }));
  }

  /** An old batch once more, as a client that lost its notes; also a part of it, or out of order. */
  async function repeat(): Promise<void> {
    if (sent.length === 0) return;
    const old = random.pick(sent);
    const order = random.chance(0.5) ? old : random.shuffled(old);
    note(await device.push(order.slice(0, random.int(1, order.length))));
  }

  async function settle(): Promise<void> {
    const settlement = await settleOne(name, send, random);
    if (settlement) settlements.push(settlement);
  }

  async function beginAnew(): Promise<void> {
    if (others.length === maxOthers) return;
    const other = device.fresh(`${name} again ${others.length + 1}`);
    others.push(other);
    await other.pull(random.int(1, 1_000));
  }

  function move(): void {
    node = random.pick(nodes);
  }

  const steps: readonly (readonly [weight: number, step: () => unknown])[] = [
    [50, edit],
    [10, repeat],
    [5, () => isReached && device.retryUnknown()],
    [20, () => device.page(random.pick([1, 2, 7, 50, 1_000]))],
    [10, () => device.pull(random.int(1, 200))],
    [6, settle],
    [10, move],
    [1, beginAnew],
  ];

  return {
    device,
    others,
    async live(ending) {
      while (!ending.aborted) {
        await chooseStep(steps, random.fraction())();
        await sleep(random.int(0, 800), undefined, { signal: ending }).catch(() => {});
      }
    },
  };
}

function chooseStep(
  steps: readonly (readonly [weight: number, step: () => unknown])[],
  fraction: number,
): () => unknown {
  let left = fraction * steps.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, step] of steps) {
    left -= weight;
    if (left < 0) return step;
  }
  throw new Error('the weights do not add up');
}

function unique(events: readonly SentEvent[]): SentEvent[] {
  return [...new Map(events.map((event) => [event.identityKey, event])).values()];
}
