import { readFileSync } from 'node:fs';
import type { ProblemCode } from '../../domain/errors.ts';
import type { Kind } from '../../domain/kinds/define-kind.ts';
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import { sampleOf } from './sample.ts';

type Named<Value = unknown> = { readonly [name: string]: Value };

/** Requests that were sent to a real service, and what it answered. See src/cli/openapi.ts. */
export interface Examples {
  readonly pushBody: Named;
  readonly pushAnswer: Named;
  readonly salesBody: Named;
  readonly salesAnswer: Named;
  readonly pullAnswer: Named;
  readonly conflictsAnswer: Named;
  readonly resolutionBody: Named;
  readonly resolutionAnswer: Named;
  readonly historyAnswer: Named;
  readonly receiptsAnswer: Named;
  readonly problems: { readonly [code in ProblemCode]?: unknown };
}

export const examplesFile = new URL('./examples.json', import.meta.url);

/** Those that were recorded, of the kinds that come with Landfall. */
export function readExamples(): Examples {
  return JSON.parse(readFileSync(examplesFile, 'utf8'));
}

/** Events that an example shows at most. */
const maxEvents = 5;
const phone = 'five events of a phone';
const bareArray = 'a bare array';
const toBareArray = 'to a bare array';

/** What a service with these kinds shows: the recorded examples of its kinds, and else some of its own. */
export function selectExamples(kinds: KindRegistry): Examples {
  const recorded = readExamples();
  const hasAll = (body: unknown) => kindsNamed(body).every((name) => kinds.find(name));
  const hasNotes = hasAll(recorded.pushBody[phone]);
  const hasOrders = hasAll(recorded.pushBody[bareArray]);
  const hasSales = Object.values(recorded.salesBody).every(hasAll);
  const ofNotes = (examples: Named) => (hasNotes ? examples : {});
  const ofPush = (examples: Named) =>
    pick(examples, (name) => (name === bareArray || name === toBareArray ? hasOrders : hasNotes));
  const own = hasNotes ? [] : sampleEvents(kinds);
  return {
    pushBody: {
      ...(own.length > 0 && { 'events of the kinds of this service': { events: own } }),
      ...ofPush(recorded.pushBody),
    },
    pushAnswer: ofPush(recorded.pushAnswer),
    salesBody: hasSales ? recorded.salesBody : {},
    salesAnswer: hasSales ? recorded.salesAnswer : {},
    pullAnswer: ofNotes(recorded.pullAnswer),
    conflictsAnswer: ofNotes(recorded.conflictsAnswer),
    resolutionBody: hasNotes ? recorded.resolutionBody : sampleResolution(own),
    resolutionAnswer: ofNotes(recorded.resolutionAnswer),
    historyAnswer: ofNotes(recorded.historyAnswer),
    receiptsAnswer: ofNotes(recorded.receiptsAnswer),
    problems: recorded.problems,
  };
}

function pick(examples: Named, isShown: (name: string) => boolean): Named {
  return Object.fromEntries(Object.entries(examples).filter(([name]) => isShown(name)));
}

/** The kinds of a body's events; clients of the sales dialect say `type`. */
function kindsNamed(body: unknown): readonly string[] {
  const { events = body } = Object(body);
  return (events as { readonly kind?: string; readonly type?: string }[]).flatMap(
    ({ kind, type }) => kind ?? type ?? [],
  );
}

interface SampleEvent {
  readonly payload: unknown;
}

/** An event of each of the first kinds for which a payload is found that its schema takes. */
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
  const payload = schema && sampleOf(schema);
  if (payload === undefined || !isTaken(kind, payload)) return [];
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

/** A kind's own code may throw. */
function isTaken(kind: Kind, payload: unknown): boolean {
  try {
    return kind.interpret(kind.newestVersion, payload).ok;
  } catch {
    return false;
  }
}

function sampleResolution([event]: readonly SampleEvent[]): Named {
  return event ? { merge: { resolution: 'merge', payload: event.payload } } : {};
}
