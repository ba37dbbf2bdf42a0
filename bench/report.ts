import type { Finding, MeasuredCost, ScenarioResult } from './findings.ts';
import type { Machine } from './machine.ts';
import type { Spread } from './statistics.ts';

/** What `--json` prints, and what bench/results/ keeps. */
export interface Report {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly sizes: 'full' | 'quick' | 'smoke';
  readonly withPeers: boolean;
  readonly machine: Machine;
  readonly scenarios: readonly ScenarioResult[];
}

/** Markdown: what was found first, since absolute figures move with the machine. */
export function printReport(report: Report): string {
  const { machine, scenarios } = report;
  return `${[
    `# Landfall's benchmark, ${report.startedAt.slice(0, 10)}`,
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}; Node ${machine.node}, PostgreSQL ${machine.postgres}; commit ${machine.commit ?? 'unknown'}.`,
    `Each figure is a median (least – greatest of all rounds). ${notes[report.sizes]}`,
    ...(report.withPeers ? [] : ['express-pouchdb and rxdb-server were left out.']),
    '## Against the targets',
    table(
      ['scenario', 'figure', 'median (spread)', 'target', ''],
      scenarios.flatMap(({ name, findings }) =>
        findings.map((found) => [name, found.name, figure(found), target(found), mark(found)]),
      ),
    ),
    '## Each system',
    'Costs are of each event, poll or page: microseconds of a processor, of the process that does the work and of all processes of PostgreSQL, and bytes of the write-ahead log.',
    table(
      ['scenario', 'system', 'a second', 'p50 ms', 'p99 ms', 'each', ...costHead],
      scenarios.flatMap(({ name, unit, systems }) =>
        Object.entries(systems).map(([system, { rate, p50Ms, p99Ms, cost }]) => [
          name,
          system,
          `${spread(rate, 0)} ${system.includes('(') ? '' : unit}`.trim(),
          spread(p50Ms, 1),
          spread(p99Ms, 1),
          ...costCells(cost),
        ]),
      ),
    ),
    '## What was done',
    scenarios.map(({ name, work }) => `- ${name}: ${work}`).join('\n'),
  ].join('\n\n')}\n`;
}

const notes = {
  full: 'Full sizes.',
  quick: 'QUICK: short rounds on small tables; read the direction, not the figure.',
  smoke: 'SMOKE: the program ran; the figures mean nothing.',
};

const costHead = ['service µs', 'PostgreSQL µs', 'WAL bytes'];

/** Results from before there were costs have none. */
function costCells(cost: MeasuredCost | undefined): readonly string[] {
  if (!cost) return ['', ...costHead.map(() => '')];
  const cell = (value: Spread | null, digits: number) => (value ? spread(value, digits) : '');
  return [
    cost.each,
    cell(cost.serviceMicros, 1),
    cell(cost.postgresMicros, 1),
    cell(cost.walBytes, 0),
  ];
}

/** Digits behind the point; by default one. */
const digitsOf: { readonly [Unit in Finding['unit']]?: number } = { '×': 2, bytes: 0, events: 0 };

function figure({ value, unit }: Finding): string {
  const text = spread(value, digitsOf[unit] ?? 1);
  return unit === 'events' ? text : `${text} ${unit}`;
}

function target(found: Finding): string {
  if (!found.target) return '';
  return 'atLeast' in found.target ? `≥ ${found.target.atLeast}` : `≤ ${found.target.atMost}`;
}

function mark({ reached }: Finding): string {
  if (reached === undefined) return '';
  return reached ? 'reached' : 'MISSED';
}

function spread({ median, min, max }: Spread, digits: number): string {
  const print = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return min === max ? print(median) : `${print(median)} (${print(min)} – ${print(max)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
