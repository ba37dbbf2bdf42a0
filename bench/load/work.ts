/** The edits that every system of a scenario gets alike. */
export interface Work {
  readonly tenants: readonly string[];
  /** A tenant. */
  readonly entities: number;
  /** Edits a request. */
  readonly batch: number;
  /** Connections that send at the same time. */
  readonly lanes: number;
  /** Makes the keys of this run its own; milliseconds since 1970. */
  readonly startedAt: number;
  /**
   * `in order`: a lane goes through its notes, so that each is written once. `each at random`: an edit's note says
   * nothing of the next one's. By default a batch begins at random, and goes on in steps.
   */
  readonly picks?: 'in order' | 'each at random';
}

/** A whole note, as `note.put` sends it. */
export interface Edit {
  readonly identityKey: string;
  readonly noteId: string;
  /** Milliseconds since 1970. */
  readonly occurredAt: number;
  /** JSON text of about 250 bytes: noteId, title, body. */
  readonly payload: string;
  /** The same without noteId and the brace before it: `"title":…}`. */
  readonly content: string;
}

export interface EditBatch {
  readonly tenant: string;
  readonly edits: readonly Edit[];
}

const contents = Array.from({ length: 64 }, (_, index) => {
  const words = ['harbour', 'winch', 'ledger', 'lantern', 'tide', 'anchor', 'mooring', 'pilot'];
  const text = Array.from({ length: 40 }, (_word, at) => words[(index * 7 + at * (index + 3)) % 8]);
  const [title, body] = [text.slice(0, 4).join(' '), text.slice(4).join(' ')];
  return `"title":${JSON.stringify(title)},"body":${JSON.stringify(body.slice(0, 165))}}`;
});

/**
 * A batch by its lane and turn alone, so that it can be sent again. No two lanes touch the same
 * note: a system that refuses an edit on an outdated revision never has to, and an edit is always
 * newer than the one it replaces.
 */
export function batchOf(work: Work, lane: number, turn: number): EditBatch {
  const { tenants, entities, lanes } = work;
  const sharers = Math.max(1, Math.ceil(lanes / tenants.length));
  const own = Math.max(1, Math.ceil((tenants.length - (lane % tenants.length)) / lanes));
  const tenant = tenants[(lane + (turn % own) * lanes) % tenants.length] ?? '';
  const notes = Math.max(1, Math.floor(entities / sharers));
  const pick = pickerOf(work, lane, turn);
  const edits = Array.from({ length: work.batch }, (_, index): Edit => {
    const note = (pick(index) % notes) * sharers + Math.floor(lane / tenants.length);
    const noteId = `note-${note}`;
    const content = contents[(turn * 31 + index) % contents.length] ?? '';
    return {
      identityKey: keyOf(work.startedAt, lane, turn, index),
      noteId,
      // Behind the clock as long as a lane sends fewer than a thousand requests a second.
      occurredAt: work.startedAt + turn,
      payload: `{"noteId":"${noteId}",${content}`,
      content,
    };
  });
  return { tenant, edits };
}

/** The place of an edit's note among the notes of its lane. */
function pickerOf({ picks, batch }: Work, lane: number, turn: number): (index: number) => number {
  if (picks === 'in order') return (index) => turn * batch + index;
  const first = mix(lane, turn);
  if (picks === 'each at random') return (index) => mix(first, index);
  return (index) => first + index * 7;
}

/** Reads like a UUID and is as scattered as one: what most outboxes send, and hardest on an index. */
function keyOf(run: number, lane: number, turn: number, index: number): string {
  const [a, b] = [mix(run, turn * 8_192 + index), mix(turn * 8_192 + index, lane)];
  const unique = (lane * 2 ** 40 + turn * 2 ** 12 + index).toString(16).padStart(14, '0');
  return `${hex(a)}-${hex(b).slice(0, 4)}-${hex(b).slice(4)}-${unique}`;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');

/** 32 bits out of two numbers (the finish of MurmurHash3). */
function mix(left: number, right: number): number {
  let value = Math.imul(left ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(right + 0x7f4a7c15, 0xc2b2ae35);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
