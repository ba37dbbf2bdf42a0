import type { PushAnswer } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../oracle/events.ts';

/**
 * What a client knows of a request: `ok`, it was decided and committed; `fail`, it was refused and
 * nothing of it is stored; `unknown`, it may be stored, all or nothing.
 */
export type Outcome = 'ok' | 'fail' | 'unknown';

export interface PushRequest {
  readonly device: string;
  readonly events: readonly SentEvent[];
  readonly atomic: boolean;
  /** The device's clock, in milliseconds since 1970; undefined where it did not tell. */
  readonly sentAt: number | undefined;
  readonly outcome: Outcome;
  /** The answer's HTTP status; 0 without one. */
  readonly status: number;
  /** The code of a refusal, or why there is no answer. */
  readonly reason?: string;
  /** Where it is `ok`. */
  readonly answer?: PushAnswer;
  /** Milliseconds since the history began, by the clock of the test. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** All that clients of one tenant asked for, and what they were answered, in order of the answers. */
export interface History {
  readonly requests: readonly PushRequest[];
  /** Milliseconds since it began. */
  now(): number;
  add(request: PushRequest): void;
  /**
   * Notes that the database was set back to that version, as from a backup: answers so far that
   * named a later one bind nobody any more, and their events may be sent again.
   */
  setBack(version: number): void;
  /** Whether what `request` was answered of that version still has to hold. */
  binds(request: PushRequest, version: number | undefined): boolean;
}

export function createHistory(): History {
  const began = performance.now();
  const requests: PushRequest[] = [];
  const numbers = new Map<PushRequest, number>();
  const setBacks: { readonly before: number; readonly version: number }[] = [];
  return {
    requests,
    now: () => performance.now() - began,
    add(request) {
      numbers.set(request, requests.length);
      requests.push(request);
    },
    setBack(version) {
      setBacks.push({ before: requests.length, version });
    },
    binds(request, version) {
      const number = numbers.get(request) ?? 0;
      return !setBacks.some((back) => number < back.before && (version ?? Infinity) > back.version);
    },
  };
}

/** What was answered 200, in order. */
export function answersOf({ requests }: History): readonly PushAnswer[] {
  return requests.flatMap(({ answer }) => answer ?? []);
}

/** Adds a request that was answered 200, as one that was made in process. */
export function addAnswered(
  history: History,
  answer: PushAnswer,
  request: { device: string; events: readonly unknown[]; envelope: object },
): void {
  const { device, events, envelope } = request;
  const { atomic = false, sentAt } = envelope as { atomic?: boolean; sentAt?: string };
  const now = history.now();
  history.add({
    device,
    events: events as readonly SentEvent[],
    atomic,
    sentAt: sentAt === undefined ? undefined : Date.parse(sentAt),
    outcome: 'ok',
    status: 200,
    answer,
    startedAt: now,
    endedAt: now,
  });
}
