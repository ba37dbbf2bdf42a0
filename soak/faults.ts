import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../tests/testkit/tcp-proxy.ts';
import { withClient } from '../tests/testkit/template.ts';
import type { Node } from './node.ts';
import type { Random } from './random.ts';
import { soothe, type Stage } from './stage.ts';

/** Something that goes wrong, for a while. */
interface Fault {
  readonly name: string;
  /** What it is done to: nothing has two faults at once. */
  readonly target: string;
  run(): Promise<void>;
}

const maxChoices = 10;

/**
 * @param pause waits so many milliseconds, or less where the soak ends
 * @returns undefined where everything has one already
 */
function chooseFault(
  stage: Stage,
  random: Random,
  pause: Pause,
  isFree: (target: string) => boolean,
): Fault | undefined {
  const chosen = Array.from({ length: maxChoices }, () => anyFault(stage, random, pause));
  return chosen.find(({ target }) => isFree(target));
}

type Pause = (milliseconds: number) => Promise<void>;

function anyFault(stage: Stage, random: Random, pause: Pause): Fault {
  const node = random.pick(stage.nodes);
  const last = (least: number, most: number) => pause(random.int(least, most));
  // Kills are five of twelve, so that one comes every few seconds.
  return random.pick([
    () => killService(node, last),
    () => killService(node, last),
    () => killService(node, last),
    () => killPostgres(stage, last),
    () => killPostgres(stage, last),
    () => freezeService(node, last),
    () => freezePostgres(stage, last),
    () => endBackends(stage, random),
    () => loseCommit(node, random, last),
    () => worsen(clientsOf(node), random, last),
    () => worsen(clientsOf(node), random, last),
    () => worsen(databaseOf(node), random, last),
  ])();
}

type Last = (least: number, most: number) => Promise<void>;
type Network = readonly [name: string, proxy: TcpProxy];

const clientsOf = ({ name, clients }: Node): Network => [`clients of ${name}`, clients];
const databaseOf = ({ name, database }: Node): Network => [`database of ${name}`, database];

function killService(node: Node, last: Last): Fault {
  return {
    name: 'kill -9 of a service',
    target: node.name,
    async run() {
      await node.kill();
      await last(0, 2_000);
      await node.start();
    },
  };
}

function killPostgres({ postgres }: Stage, last: Last): Fault {
  return {
    name: 'kill -9 of PostgreSQL',
    target: 'PostgreSQL',
    async run() {
      await postgres.kill();
      await last(0, 2_000);
      await postgres.start();
    },
  };
}

/** Up to longer than PostgreSQL lets a transaction stand idle. */
function freezeService(node: Node, last: Last): Fault {
  return {
    name: 'SIGSTOP of a service',
    target: node.name,
    async run() {
      node.freeze();
      await last(300, 7_000);
      node.thaw();
    },
  };
}

function freezePostgres({ postgres }: Stage, last: Last): Fault {
  return {
    name: 'SIGSTOP of PostgreSQL',
    target: 'PostgreSQL',
    async run() {
      postgres.freeze();
      await last(300, 3_000);
      postgres.thaw();
    },
  };
}

function endBackends({ postgres }: Stage, random: Random): Fault {
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

/** Whatever the COMMIT did, the service is not told: COMMIT_UNKNOWN, or nothing was stored. */
function loseCommit({ name, database }: Node, random: Random, last: Last): Fault {
  const lose = random.pick([
    () => database.loseAnswerTo('COMMIT', random.pick(['break', 'hang'])),
    () => database.cutAfter('COMMIT'),
  ]);
  return {
    name: 'a lost answer to COMMIT',
    target: `database of ${name}`,
    run: () => Promise.race([lose(), last(2_000, 2_000)]),
  };
}

/** The network is gone, silent, slow or in pieces, between clients and service or behind it. */
function worsen([target, proxy]: Network, random: Random, last: Last): Fault {
  const least = 500;
  const ways: readonly (readonly [string, () => void, number])[] = [
    ['connections reset', () => proxy.cut(), 1],
    ['connections refused', () => proxy.refuse(), 2_000],
    ['a black hole', () => proxy.hold(), 6_000],
    ['latency', () => proxy.delay(() => random.int(0, 80)), 4_000],
    ['sliced packets', () => proxy.slice(() => random.int(1, 60)), 4_000],
  ];
  const [name, begin, most] = random.pick(ways);
  return {
    name: `${name}, ${target.split(' ')[0] === 'clients' ? 'before' : 'behind'} a service`,
    target,
    async run() {
      begin();
      await last(Math.min(least, most), most);
      soothe(proxy);
    },
  };
}

/**
 * Begins a fault every few seconds, until it is told to end. What had one is left alone for a while
 * after it, or on a slow machine nothing would ever work.
 */
export async function rainFaults(
  stage: Stage,
  random: Random,
  ending: AbortSignal,
  onFault: (name: string) => void,
): Promise<void> {
  const pause = (milliseconds: number) =>
    sleep(milliseconds, undefined, { signal: ending }).catch(() => {});
  const running = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  while (!ending.aborted && failures.length === 0) {
    await pause(random.int(700, 3_500));
    const fault = chooseFault(stage, random, pause, (target) => !running.has(target));
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
