import { type Accepted, type Fields, finalState, greatest, isGreater } from '../last-write-wins.ts';

/** A record as clients see it. */
export interface Seen {
  readonly deleted: boolean;
  readonly data: Fields | null;
}

export interface Written {
  readonly outcome: 'applied' | 'noop' | 'superseded';
  readonly after: Seen;
  /** Whether a client can see a difference. */
  readonly changed: boolean;
  /** It won, but some of its fields did not, or the record keeps later ones beside it. */
  readonly partly: boolean;
}

export const unseen: Seen = { deleted: true, data: null };

/**
 * What one more write does to a record that all of `before` made, by comparing what remains of both
 * sets: nothing here settles anything step by step.
 */
export function write(before: readonly Accepted[], event: Accepted): Written {
  const was = before.length > 0 ? seen(before) : unseen;
  const after = seen([...before, event]);
  const changed = before.length === 0 || textOf(was) !== textOf(after);
  const { shows, partly } = sharesOf(before, event, after);
  const lost = !shows && (after.deleted || !changed || event.policy === 'remove');
  const outcome = lost ? 'superseded' : changed ? 'applied' : 'noop';
  return { outcome, after, changed, partly: partly && outcome !== 'superseded' };
}

/** One text for equal records. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_name, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  );
}

function seen(events: readonly Accepted[]): Seen {
  const { deleted, data } = finalState(events);
  return { deleted, data: data && Object.fromEntries(data) };
}

function sharesOf(before: readonly Accepted[], event: Accepted, after: Seen) {
  if (event.policy === 'remove') {
    const wins = isNewest(before, event, ({ policy }) => policy === 'remove');
    return { shows: wins && after.deleted, partly: false };
  }
  const isPut = event.policy === 'put';
  if (isPut && !isNewest(before, event, ({ policy }) => policy === 'put')) {
    return { shows: false, partly: false };
  }
  const names = Object.keys(event.fields);
  const won = names.filter((name) =>
    isNewest(before, event, (other) => other.policy === 'put' || patches(other, name)),
  );
  const patchedLater = before.some((other) => other.policy === 'patch' && isGreater(other, event));
  const shows = !after.deleted && (won.length > 0 || names.length === 0);
  return { shows, partly: isPut ? patchedLater : won.length < names.length };
}

function isNewest(
  before: readonly Accepted[],
  event: Accepted,
  among: (other: Accepted) => boolean,
): boolean {
  const rival = greatest(before.filter(among));
  return !rival || isGreater(event, rival);
}

function patches(other: Accepted, name: string): boolean {
  return other.policy === 'patch' && Object.hasOwn(other.fields, name);
}
