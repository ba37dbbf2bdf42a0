import type { Evidence, Story } from './evidence.ts';
import { entityKeyOf } from './puller.ts';
import { type Shown, tell } from './shown.ts';

export interface Problem {
  readonly kind:
    | 'lost' // acknowledged, and not stored
    | 'twice' // one key, applied more than once
    | 'changed' // stored otherwise than it was answered or sent
    | 'unasked' // stored, and never sent or always refused
    | 'half' // a part of an atomic batch
    | 'gap' // a version that is missing or not the only one
    | 'record' // a record that is not what its events make it
    | 'model' // an event that was decided otherwise than the contract says
    | 'differs' // a puller's table that is not the server's
    | 'page'; // a page that is none, whatever the table came to
  readonly message: string;
  readonly identityKey?: string;
  readonly entity?: { readonly entityType: string; readonly entityId: string };
  readonly device?: string;
}

/** What a check came to. */
export interface Findings {
  readonly problems: readonly Problem[];
  /** Keys, but `differing`: pullers, those of the checker's own among them. */
  readonly counts: {
    readonly sent: number;
    readonly acknowledged: number;
    /** Of which no sender knows what became of them. */
    readonly unknown: number;
    readonly lost: number;
    readonly twice: number;
    readonly differing: number;
  };
  /** All of it for people: each problem with its event, its requests, and who saw what. */
  readonly text: string;
}

type Records = ReadonlyMap<string, Shown>;

const maxPrinted = 20;

/** A paragraph for each event or record, with all that is wrong with it. */
export function printProblems(
  problems: readonly Problem[],
  evidence: Evidence,
  model: Records,
): string {
  const groups = [...Map.groupBy(problems, aboutOf).values()];
  const printed = groups.slice(0, maxPrinted).map((group) => print(group, evidence, model));
  const more = groups.length - printed.length;
  return [...printed, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n\n');
}

function aboutOf({ entity, identityKey, device }: Problem): string {
  return entity ? entityKeyOf(entity) : (identityKey ?? device ?? 'the log');
}

function print(problems: readonly Problem[], evidence: Evidence, model: Records): string {
  const { entity, identityKey } = problems[0] ?? {};
  const lines = problems.map((problem) => {
    return `${problem.kind.toUpperCase()} ${aboutOf(problem)}: ${problem.message}`;
  });
  const record = evidence.stored.records.find(
    (one) => entity && entityKeyOf(one) === entityKeyOf(entity),
  );
  const story = evidence.stories.get(identityKey ?? record?.originKey ?? '');
  return [
    ...lines,
    ...(story ? printStory(story) : []),
    ...(entity ? printEntity(entity, evidence, model) : []),
  ].join('\n');
}

function printStory({ attempts, stored }: Story): string[] {
  const lines = [...new Set(attempts.map(({ event }) => `  event      ${JSON.stringify(event)}`))];
  for (const { request, result } of attempts) {
    const { device, startedAt, endedAt, outcome, status, reason, events, atomic } = request;
    const when = `${(startedAt / 1000).toFixed(3)}–${(endedAt / 1000).toFixed(3)} s`;
    const batch = `${atomic ? 'atomic batch' : 'batch'} of ${events.length}`;
    const answer = result ? answerOf(result) : [status || '', reason ?? ''].join(' ').trim();
    lines.push(`  request    ${when}  ${device}, ${batch}: ${outcome}, ${answer}`);
  }
  for (const row of stored) {
    lines.push(`  stored     version ${row.version}, ${row.outcome}: ${row.kind} ${row.payload}`);
  }
  return stored.length > 0 ? lines : [...lines, '  stored     nowhere'];
}

type Result = NonNullable<Story['attempts'][number]['result']>;

function answerOf({ status, original, version, code }: Result): string {
  const words = [status, original && `of ${original}`, code, version && `version ${version}`];
  return words.filter(Boolean).join(', ');
}

function printEntity(
  entity: { readonly entityType: string; readonly entityId: string },
  { devices, stored }: Evidence,
  model: Records,
): string[] {
  const key = entityKeyOf(entity);
  const server = stored.records.find((record) => entityKeyOf(record) === key);
  const seen = [
    ['the server', server] as const,
    ['the model', model.get(key)] as const,
    ...devices.map(({ name, table }) => [name, table.get(key)] as const),
  ];
  return seen.map(([who, record]) => `  ${who.padEnd(10)} ${tell(record)}`);
}
