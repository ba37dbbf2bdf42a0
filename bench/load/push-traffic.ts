import type { Answer, Request } from './http.ts';
import type { Exchange, Traffic } from './traffic.ts';
import { type EditBatch, batchOf, type Work } from './work.ts';

/** How one system wants to be sent edits. */
export interface PushDialect {
  encode(batch: EditBatch): Request;
  /** @throws Error where not every edit of the batch was taken */
  check(batch: EditBatch, answer: Answer): void;
}

export function createPushTraffic(work: Work, dialect: PushDialect): Traffic {
  const turns = Array.from({ length: work.lanes }, () => 0);
  let sent: (readonly [lane: number, turn: number])[] = [];

  function exchange(lane: number, turn: number): Exchange {
    const batch = batchOf(work, lane, turn);
    return {
      request: dialect.encode(batch),
      settle(answer) {
        dialect.check(batch, answer);
        return batch.edits.length;
      },
    };
  }

  function next(lane: number): Exchange {
    const turn = turns[lane] ?? 0;
    turns[lane] = turn + 1;
    sent.push([lane, turn]);
    return exchange(lane, turn);
  }

  return {
    next,
    mark() {
      sent = [];
    },
    again() {
      const repeated = sent.values();
      const size = sent.length;
      return {
        size,
        next(lane) {
          const [ownLane, turn] = repeated.next().value ?? [lane, 0];
          return exchange(ownLane, turn);
        },
      };
    },
  };
}
