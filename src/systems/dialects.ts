import type { Dialect } from '../protocol/dialect.ts';
import { plain } from '../protocol/plain-dialect.ts';
import { colony } from './colony/dialect.ts';
import { freight } from './freight/dialect.ts';
import { sales } from './sales/dialect.ts';

/** The dialects that are on beside the plain one, by the kinds of the service. */
export function dialectsFor(hasKind: (name: string) => boolean): readonly Dialect[] {
  return [colony, freight, sales].filter(({ kinds }) => kinds.some(hasKind));
}

/** Which of the dialects of `POST /api/sync/events` a body is written in. */
export function dialectOf(body: unknown, dialects: readonly Dialect[]): Dialect {
  return dialects.find((dialect) => dialect.matches(body)) ?? plain;
}
