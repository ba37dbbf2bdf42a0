import type { RecordLifter, TypeRename } from '../kinds/record-lifter.ts';
import type { RecordClock, RecordState, Stamp } from '../record.ts';
import { isAfter } from './last-write-wins.ts';

interface LiftedState {
  readonly state: RecordState;
  /** Why it cannot be read; the state is then as it is stored. */
  readonly fault?: Error;
}

/** A record as deciding works on it: in the newest version of its type's data. */
export function liftState(state: RecordState, lifter: RecordLifter): LiftedState {
  if (lifter.isNewest(state)) return { state };
  const lifted = lifter.lift(state);
  if (!lifted.ok) return { state, fault: lifted.fault };
  const { data, dataVersion, renamings } = lifted;
  return { state: { ...state, data, dataVersion, clock: renamings.reduce(rename, state.clock) } };
}

/**
 * Fields that came where others are gone get the newest stamp of those, so that a patch from before it,
 * which arrives late, does not win over what has another name now. The stamps that are gone are not needed
 * any more where others took their place; where none did, they still tell that the record is alive.
 */
function rename(clock: RecordClock, { gone, came }: TypeRename): RecordClock {
  const stamps = Object.entries(clock.fields ?? {});
  const newest = stamps.filter(([name]) => gone.includes(name)).map(([, stamp]) => stamp);
  const [first, ...others] = newest;
  if (!first) return clock;
  const stamp = others.reduce((one: Stamp, other) => (isAfter(other, one) ? other : one), first);
  const kept = stamps.filter(([name]) => !gone.includes(name));
  const fields = Object.fromEntries([...kept, ...came.map((name) => [name, stamp] as const)]);
  return { ...clock, fields };
}
