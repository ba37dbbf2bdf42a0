import { readFileSync } from 'node:fs';
import type { ProblemCode } from '../../domain/errors.ts';
import type { Kind } from '../../domain/kinds/define-kind.ts';
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import { makeSample } from './sample.ts';

type NamedExamples = { readonly [name: string]: unknown };

/**
 * Requests that were sent to a real service, with its answers. `npm run openapi:record` records them in
 * examples.json.
 */
export interface Examples {
  readonly pushBody: NamedExamples;
  readonly pushAnswer: NamedExamples;
  readonly salesBody: NamedExamples;
  readonly salesAnswer: NamedExamples;
  readonly pullAnswer: NamedExamples;
  readonly conflictsAnswer: NamedExamples;
  readonly resolutionBody: NamedExamples;
  readonly resolutionAnswer: NamedExamples;
  readonly historyAnswer: NamedExamples;
  readonly receiptsAnswer: NamedExamples;
  readonly problems: { readonly [code in ProblemCode]?: unknown };
}

export const examplesFile = new URL('./examples.json', import.meta.url);

/** Reads the recorded examples. They use kinds that come with Landfall. */
export function readExamples(): Examples {
  return JSON.parse(readFileSync(examplesFile, 'utf8'));
}

/** The maximum of events in a generated example. */
const maxEvents = 5;
const phone = 'five events of a phone';
const bareArray = 'a bare array';
const toBareArray = 'to a bare array';

/**
 * The examples for a service with these kinds: the recorded examples of its kinds. A service without the
 * kinds of the notes system also gets generated examples of its own kinds.
 */
export function selectExamples(kinds: KindRegistry): Examples {
  const recorded = readExamples();
  const hasKindsOf = (body: unknown) => kindNames(body).every((name) => kinds.find(name));
  const hasNotes = hasKindsOf(recorded.pushBody[phone]);
  const hasOrders = hasKindsOf(recorded.pushBody[bareArray]);
  const hasSales = Object.values(recorded.salesBody).every(hasKindsOf);
  const ifNotes = (examples: NamedExamples) => (hasNotes ? examples : {});
  const selectPush = (examples: NamedExamples) =>
    pick(examples, (name) => (name === bareArray || name === toBareArray ? hasOrders : hasNotes));
  const sampled = hasNotes ? [] : sampleEvents(kinds);
  return {
    pushBody: {
      ...(sampled.length > 0 && { 'events of the kinds of this service': { events: sampled } }),
      ...selectPush(recorded.pushBody),
    },
    pushAnswer: selectPush(recorded.pushAnswer),
    salesBody: hasSales ? recorded.salesBody : {},
    salesAnswer: hasSales ? recorded.salesAnswer : {},
    pullAnswer: ifNotes(recorded.pullAnswer),
    conflictsAnswer: ifNotes(recorded.conflictsAnswer),
    resolutionBody: hasNotes ? recorded.resolutionBody : sampleResolution(sampled),
    resolutionAnswer: ifNotes(recorded.resolutionAnswer),
    historyAnswer: ifNotes(recorded.historyAnswer),
    receiptsAnswer: ifNotes(recorded.receiptsAnswer),
    problems: recorded.problems,
  };
}

function pick(examples: NamedExamples, isShown: (name: string) => boolean): NamedExamples {
  return Object.fromEntries(Object.entries(examples).filter(([name]) => isShown(name)));
}

/** The names of the kinds of a body's events. The sales dialect calls the kind `type`. */
function kindNames(body: unknown): readonly string[] {
  const { events = body } = Object(body);
  return (events as { readonly kind?: string; readonly type?: string }[]).flatMap(
    ({ kind, type }) => kind ?? type ?? [],
  );
}

interface SampleEvent {
  readonly payload: unknown;
}

/** One event of each of the first kinds for which a valid payload can be generated. */
function sampleEvents({ kinds }: KindRegistry): readonly SampleEvent[] {
  return kinds
    .values()
    .flatMap((kind, index) => sampleEvent(kind, index + 1))
    .take(maxEvents)
    .toArray();
}

function sampleEvent(kind: Kind, number: number): readonly SampleEvent[] {
  const { name, newestVersion: version, ordered, precondition } = kind;
  const schema = kind.schemaOf(version);
  const payload = schema && makeSample(schema);
  if (payload === undefined || !isAccepted(kind, payload)) return [];
  return [
    {
      ...{ identityKey: `phone-${number}`, kind: name },
      ...(version > 1 && { version }),
      payload,
      ...(ordered && { sequence: 1 }),
      ...(precondition === 'required' && { baseVersion: 1 }),
    },
  ];
}

/** Whether the kind accepts the payload. The kind's own code may throw. */
function isAccepted(kind: Kind, payload: unknown): boolean {
  try {
    return kind.interpret(kind.newestVersion, payload).ok;
  } catch {
    return false;
  }
}

function sampleResolution([event]: readonly SampleEvent[]): NamedExamples {
  return event ? { merge: { resolution: 'merge', payload: event.payload } } : {};
}
