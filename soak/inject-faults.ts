import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../tests/testkit/network/tcp-proxy.ts';
import { withClient } from '../tests/testkit/postgres/client.ts';
import type { Random } from '../tests/testkit/workload/random.ts';
import type { Deployment } from './deployment.ts';
import type { ServiceNode } from './service-node.ts';

/** Something that fails for a while. */
interface Fault {
  readonly name: string;
  /** What fails. A target has one fault at a time. */
  readonly target: string;
  run(): Promise<void>;
}

/** Waits so many milliseconds, or until the soak ends. */
type Pause = (milliseconds: number) => Promise<void>;
/** Waits a random number of milliseconds from `least` to `most`, or until the soak ends. */
type RandomPause = (least: number, most: number) => Promise<void>;
type NamedProxy = readonly [name: string, proxy: TcpProxy];

const maxChoices = 10;

/** @returns undefined where several random choices had a target that has a fault already */
function chooseFault(
  deployment: Deployment,
  random: Random,
  pause: Pause,
  isFree: (target: string) => boolean,
): Fault | undefined {
  const choices = Array.from({ length: maxChoices }, () => randomFault(deployment, random, pause));
  return choices.find(({ target }) => isFree(target));
}

function randomFault(deployment: Deployment, random: Random, pause: Pause): Fault {
  const node = random.pick(deployment.nodes);
  const randomPause: RandomPause = (least, most) => pause(random.int(least, most));
  // Five of twelve are kills, so that there is one every few seconds.
  return random.pick([
    () => killService(node, randomPause),
    () => killService(node, randomPause),
    () => killService(node, randomPause),
    () => killPostgres(deployment, randomPause),
    () => killPostgres(deployment, randomPause),
    () => freezeService(node, randomPause),
    () => freezePostgres(deployment, randomPause),
    () => terminateBackends(deployment, random),
    () => loseCommit(node, random, randomPause),
    () => disturbNetwork(clientNetworkOf(node), random, randomPause),
    () => disturbNetwork(clientNetworkOf(node), random, randomPause),
    () => disturbNetwork(databaseNetworkOf(node), random, randomPause),
  ])();
}

const clientNetworkOf = ({ name, clientProxy }: ServiceNode): NamedProxy => [
  `clients of ${name}`,
  clientProxy,
];
const databaseNetworkOf = ({ name, databaseProxy }: ServiceNode): NamedProxy => [
  `database of ${name}`,
  databaseProxy,
];

function killService(node: ServiceNode, randomPause: RandomPause): Fault {
  return {
    name: 'kill -9 of a service',
    target: node.name,
    async run() {
      await node.kill();
      await randomPause(0, 2_000);
      await node.start();
    },
  };
}

function killPostgres({ postgres }: Deployment, randomPause: RandomPause): Fault {
  return {
    name: 'kill -9 of PostgreSQL',
    target: 'PostgreSQL',
    async run() {
      await postgres.kill();
      await randomPause(0, 2_000);
      await postgres.start();
    },
  };
}

/** May take longer than PostgreSQL's idle_in_transaction_session_timeout. */
function freezeService(node: ServiceNode, randomPause: RandomPause): Fault {
  return {
    name: 'SIGSTOP of a service',
    target: node.name,
    async run() {
      node.freeze();
      await randomPause(300, 7_000);
      node.thaw();
    },
  };
}

function freezePostgres({ postgres }: Deployment, randomPause: RandomPause): Fault {
  return {
    name: 'SIGSTOP of PostgreSQL',
    target: 'PostgreSQL',
    async run() {
      postgres.freeze();
      await randomPause(300, 3_000);
      postgres.thaw();
    },
  };
}

function terminateBackends({ postgres }: Deployment, random: Random): Fault {
  const all = random.chance(0.3);
  return {
    name: 'pg_terminate_backend',
    target: 'PostgreSQL',
    run: () =>
      withClient(postgres.url, async (client) => {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
              AND ($1 OR random() < 0.3)`,
          [all],
        );
      }),
  };
}

/** The service does not learn the result of its COMMIT: it answers COMMIT_UNKNOWN, or nothing was stored. */
function loseCommit(
  { name, databaseProxy }: ServiceNode,
  random: Random,
  randomPause: RandomPause,
): Fault {
  const loseAnswer = random.pick([
    () => databaseProxy.loseAnswerTo('COMMIT', random.pick(['break', 'hang'])),
    () => databaseProxy.resetAfter('COMMIT'),
  ]);
  return {
    name: 'a lost answer to COMMIT',
    target: `database of ${name}`,
    run: () => Promise.race([loseAnswer(), randomPause(2_000, 2_000)]),
  };
}

/** Resets or refuses connections, pauses or delays the traffic, or splits it into small pieces. */
function disturbNetwork(
  [target, proxy]: NamedProxy,
  random: Random,
  randomPause: RandomPause,
): Fault {
  const leastMs = 500;
  const disturbances: readonly (readonly [name: string, begin: () => void, mostMs: number])[] = [
    ['connections reset', () => proxy.resetConnections(), 1],
    ['connections refused', () => proxy.refuseConnections(), 2_000],
    ['a black hole', () => proxy.pauseTraffic(), 6_000],
    ['latency', () => proxy.setLatency(() => random.int(0, 80)), 4_000],
    ['sliced packets', () => proxy.setChunkSize(() => random.int(1, 60)), 4_000],
  ];
  const [name, begin, mostMs] = random.pick(disturbances);
  return {
    name: `${name}, ${target.startsWith('clients') ? 'before' : 'behind'} a service`,
    target,
    async run() {
      begin();
      await randomPause(Math.min(leastMs, mostMs), mostMs);
      proxy.clearFaults();
    },
  };
}

/**
 * Starts a random fault every few seconds, until `ending` is aborted and the running faults have ended. After a fault,
 * its target has none for a while. Otherwise nothing would ever work on a slow machine.
 */
export async function injectFaults(
  deployment: Deployment,
  random: Random,
  ending: AbortSignal,
  onFault: (name: string) => void,
): Promise<void> {
  const pause: Pause = (milliseconds) =>
    sleep(milliseconds, undefined, { signal: ending }).catch(() => {});
  const running = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  while (!ending.aborted && failures.length === 0) {
    await pause(random.int(700, 3_500));
    const fault = chooseFault(deployment, random, pause, (target) => !running.has(target));
    if (ending.aborted || !fault) continue;
    onFault(fault.name);
    const done = fault
      .run()
      .then(() => pause(random.int(1_000, 4_000)))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(fault.target));
    running.set(fault.target, done);
  }
  await Promise.all(running.values());
  if (failures.length > 0) throw failures[0];
}
