import {
  type AcceptedWrite,
  type FieldValues,
  finalState,
  isNewer,
  newestOf,
} from '../last-write-wins.ts';

/** A record as clients see it. */
export interface VisibleState {
  readonly deleted: boolean;
  readonly data: FieldValues | null;
}

export interface WriteEffect {
  readonly outcome: 'applied' | 'noop' | 'superseded';
  readonly after: VisibleState;
  /** Whether clients see a difference. */
  readonly changed: boolean;
  /** The write won, but some of its fields lost, or later patches stay on top of it. */
  readonly isPartial: boolean;
}

export const absentState: VisibleState = { deleted: true, data: null };

/**
 * The effect of one more write on a record. It compares the final state of all writes before with the final state
 * of all writes including it, so it does not depend on intermediate states.
 */
export function applyWrite(before: readonly AcceptedWrite[], write: AcceptedWrite): WriteEffect {
  const stateBefore = before.length > 0 ? stateOf(before) : absentState;
  const after = stateOf([...before, write]);
  const changed = before.length === 0 || sortedJson(stateBefore) !== sortedJson(after);
  const { isVisible, isPartial } = visibilityOf(before, write, after);
  const lost = !isVisible && (after.deleted || !changed || write.policy === 'remove');
  const outcome = lost ? 'superseded' : changed ? 'applied' : 'noop';
  return { outcome, after, changed, isPartial: isPartial && outcome !== 'superseded' };
}

/** JSON with sorted keys: the same text for equal values. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_name, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  );
}

function stateOf(writes: readonly AcceptedWrite[]): VisibleState {
  const { deleted, data } = finalState(writes);
  return { deleted, data: data && Object.fromEntries(data) };
}

/** Whether the state after the write contains any of it, and whether only a part of it. */
function visibilityOf(before: readonly AcceptedWrite[], write: AcceptedWrite, after: VisibleState) {
  if (write.policy === 'remove') {
    const wins = isNewestOf(before, write, ({ policy }) => policy === 'remove');
    return { isVisible: wins && after.deleted, isPartial: false };
  }
  const isPut = write.policy === 'put';
  if (isPut && !isNewestOf(before, write, ({ policy }) => policy === 'put')) {
    return { isVisible: false, isPartial: false };
  }
  const names = Object.keys(write.fields);
  const winning = names.filter((name) =>
    isNewestOf(before, write, (other) => other.policy === 'put' || patches(other, name)),
  );
  const hasLaterPatch = before.some((other) => other.policy === 'patch' && isNewer(other, write));
  const isVisible = !after.deleted && (winning.length > 0 || names.length === 0);
  return { isVisible, isPartial: isPut ? hasLaterPatch : winning.length < names.length };
}

/** Whether the write is newer than all earlier writes that compete with it. */
function isNewestOf(
  before: readonly AcceptedWrite[],
  write: AcceptedWrite,
  competes: (other: AcceptedWrite) => boolean,
): boolean {
  const rival = newestOf(before.filter(competes));
  return !rival || isNewer(write, rival);
}

function patches(other: AcceptedWrite, name: string): boolean {
  return other.policy === 'patch' && Object.hasOwn(other.fields, name);
}
