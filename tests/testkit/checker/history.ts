import type { PushAnswer } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../events/sent-events.ts';

/**
 * What a client knows of its request. `ok`: it was decided and committed. `fail`: it was refused, and nothing
 * of it is stored. `unknown`: either all of it is stored, or nothing.
 */
export type RequestOutcome = 'ok' | 'fail' | 'unknown';

export interface PushRequest {
  readonly device: string;
  readonly events: readonly SentEvent[];
  readonly atomic: boolean;
  /** The device's clock, in milliseconds since 1970; undefined where the request did not contain it. */
  readonly sentAt: number | undefined;
  readonly outcome: RequestOutcome;
  /** The HTTP status of the answer; 0 without an answer. */
  readonly status: number;
  /** The code of a refusal, or why there is no answer. */
  readonly reason?: string;
  /** Set where the outcome is `ok`. */
  readonly answer?: PushAnswer;
  /** Milliseconds since the history began, by the clock of the test. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** All push requests of one tenant's clients with their answers, in the order of the answers. */
export interface History {
  readonly requests: readonly PushRequest[];
  /** Milliseconds since the history began. */
  now(): number;
  add(request: PushRequest): void;
  /**
   * Records that the database was restored to a version, such as from a backup. Earlier answers that name a
   * later version hold no more, and their events may be sent again.
   */
  recordRestore(version: number): void;
  /** Whether a result of the request that names this version still has to hold. */
  stillHolds(request: PushRequest, version: number | undefined): boolean;
}

export function createHistory(): History {
  const startedAt = performance.now();
  const requests: PushRequest[] = [];
  const positions = new Map<PushRequest, number>();
  const restores: { readonly position: number; readonly version: number }[] = [];
  return {
    requests,
    now: () => performance.now() - startedAt,
    add(request) {
      positions.set(request, requests.length);
      requests.push(request);
    },
    recordRestore(version) {
      restores.push({ position: requests.length, version });
    },
    stillHolds(request, version) {
      const position = positions.get(request) ?? 0;
      return !restores.some(
        (restore) => position < restore.position && (version ?? Infinity) > restore.version,
      );
    },
  };
}

/** The bodies of all answers with status 200, in order. */
export function answersOf({ requests }: History): readonly PushAnswer[] {
  return requests.flatMap(({ answer }) => answer ?? []);
}

/** Adds a request that was answered 200. */
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
