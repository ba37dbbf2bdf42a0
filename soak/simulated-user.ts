import { setTimeout as sleep } from 'node:timers/promises';
import { createDevice, type Device } from '../tests/testkit/checker/device.ts';
import type { History, PushRequest } from '../tests/testkit/checker/history.ts';
import type { SentEvent } from '../tests/testkit/events/sent-events.ts';
import { sendByHttp } from '../tests/testkit/network/send-request.ts';
import { entityKeyOf } from '../tests/testkit/oracle/entity-key.ts';
import { createEventWriter } from '../tests/testkit/workload/event-writer.ts';
import { createUserOperations } from '../tests/testkit/workload/operations.ts';
import { createRandom } from '../tests/testkit/workload/random.ts';
import { type ConflictResolution, resolveOneConflict } from './conflict-resolutions.ts';
import type { ServiceNode } from './service-node.ts';

export interface SimulatedUserOptions {
  readonly seed: number;
  readonly tenant: string;
  readonly name: string;
  /** Whether the user creates the empire that the tenant's other users need. */
  readonly isFirst: boolean;
  readonly nodes: readonly [ServiceNode, ServiceNode];
  readonly history: History;
  /** The user adds its attempts to resolve conflicts. */
  readonly resolutions: ConflictResolution[];
}

/** A user with a device, who edits, pushes, repeats pushes, pulls, resolves conflicts, and changes the node. */
export interface SimulatedUser {
  readonly device: Device;
  /** Further clients of the tenant, which have pulled everything from the start. */
  readonly freshDevices: readonly Device[];
  /** Runs random steps until `ending` is aborted. */
  run(ending: AbortSignal): Promise<void>;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const scope = 'sync:push sync:pull colony:admin';
/** How far the clock of a device is off: not at all, a little, or up to a year. */
const clockOffsetsMs = [
  ...[0, 0, 90 * 1000, -7 * minuteMs],
  ...[365 * dayMs, -365 * dayMs, 40 * dayMs],
] as const;
/** The maximum of events that wait for another push. */
const maxWaiting = 40;
const maxFreshDevices = 3;
/** The maximum of sent batches that a user remembers, in order to send them again. */
const maxSentBatches = 30;

export function createSimulatedUser(options: SimulatedUserOptions): SimulatedUser {
  const { seed, tenant, name, isFirst, nodes, history, resolutions } = options;
  const random = createRandom(seed, `${tenant} ${name}`);
  const clockOffset = random.pick(clockOffsetsMs);
  const clock = () => Date.now() + clockOffset;
  let node = random.pick(nodes);
  const address = {
    url: () => node.url,
    token: () => nodes[0].token({ tenant, device: name, scope }),
    timeoutMs: random.pick([1_500, 4_000, 15_000]),
  };
  const device = createDevice({ ...address, history, name, clock });
  const send = sendByHttp(address);
  const writer = createEventWriter({
    device: name,
    random,
    now: clock,
    findRecord: (entityType, entityId) => device.table.get(entityKeyOf({ entityType, entityId })),
  });
  const nextOperation = createUserOperations(isFirst);
  const freshDevices: Device[] = [];
  const sentBatches: (readonly SentEvent[])[] = [];
  let waiting: readonly SentEvent[] = [];
  let isAnswered = true;

  /** Keeps the events that have to be sent again, and changes the node after a failure. */
  function handleAnswer({ outcome, events, answer }: PushRequest): void {
    isAnswered = outcome === 'ok';
    if (!isAnswered) changeNode();
    if (!answer) {
      waiting = [...waiting, ...events];
    } else {
      const retryableKeys = new Set<string | null>();
      for (const { identityKey, retryable } of answer.failed) {
        if (retryable) retryableKeys.add(identityKey);
        else if (identityKey !== null) writer.forget(identityKey);
      }
      waiting = [...waiting, ...events.filter((event) => retryableKeys.has(event.identityKey))];
    }
    // The device's own queue keeps what is dropped here, and drains it at the end.
    waiting = waiting.slice(-maxWaiting);
  }

  /** Pushes new events; mostly after the waiting events, as an outbox does. */
  async function edit(): Promise<void> {
    const events = Array.from({ length: random.int(1, 5) }, () => nextOperation(writer)).flat();
    const earlier = random.chance(0.6) ? waiting : [];
    if (earlier.length > 0) waiting = [];
    const batch = withoutRepetitions([...earlier, ...events]);
    sentBatches.push(batch);
    if (sentBatches.length > maxSentBatches) {
      sentBatches.splice(random.int(0, sentBatches.length - 1), 1);
    }
    handleAnswer(await device.push(batch, { atomic: random.chance(0.1) }));
  }

  /** Pushes an old batch again, or a part of it, or its events in another order. */
  async function repeat(): Promise<void> {
    if (sentBatches.length === 0) return;
    const batch = random.pick(sentBatches);
    const events = random.chance(0.5) ? batch : random.shuffled(batch);
    handleAnswer(await device.push(events.slice(0, random.int(1, events.length))));
  }

  async function resolveConflict(): Promise<void> {
    const resolution = await resolveOneConflict(name, send, random);
    if (resolution) resolutions.push(resolution);
  }

  async function addFreshDevice(): Promise<void> {
    if (freshDevices.length === maxFreshDevices) return;
    const fresh = device.newClient(`${name} again ${freshDevices.length + 1}`);
    freshDevices.push(fresh);
    await fresh.pull(random.int(1, 1_000));
  }

  function changeNode(): void {
    node = random.pick(nodes);
  }

  const steps: readonly WeightedStep[] = [
    [50, edit],
    [10, repeat],
    [5, () => isAnswered && device.retryUnknown()],
    [20, () => device.page(random.pick([1, 2, 7, 50, 1_000]))],
    [10, () => device.pull(random.int(1, 200))],
    [6, resolveConflict],
    [10, changeNode],
    [1, addFreshDevice],
  ];

  return {
    device,
    freshDevices,
    async run(ending) {
      while (!ending.aborted) {
        await chooseStep(steps, random.fraction())();
        await sleep(random.int(0, 800), undefined, { signal: ending }).catch(() => {});
      }
    },
  };
}

type WeightedStep = readonly [weight: number, step: () => unknown];

/** @param fraction from 0 to below 1 */
function chooseStep(steps: readonly WeightedStep[], fraction: number): () => unknown {
  let rest = fraction * steps.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, step] of steps) {
    rest -= weight;
    if (rest < 0) return step;
  }
  throw new Error('the weights do not add up');
}

function withoutRepetitions(events: readonly SentEvent[]): SentEvent[] {
  return [...new Map(events.map((event) => [event.identityKey, event])).values()];
}
