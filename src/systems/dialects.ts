import { isObject } from '../domain/json-value.ts';
import { type Dialect, plain, type RequestShape } from '../protocol/dialect.ts';
import { colony } from './colony/dialect.ts';
import { freight } from './freight/dialect.ts';
import { sales } from './sales/dialect.ts';

/** The dialects that are enabled beside the plain one: those whose kinds the service has. */
export function dialectsFor(hasKind: (name: string) => boolean): readonly Dialect[] {
  return [colony, freight, sales].filter(({ kinds }) => kinds.some(hasKind));
}

/** The dialect in which a body of `POST /api/sync/events` is written. */
export function dialectOf(body: unknown, dialects: readonly Dialect[]): Dialect {
  return dialects.find(({ shape }) => shape !== undefined && hasShape(body, shape)) ?? plain;
}

function hasShape(body: unknown, shape: RequestShape): boolean {
  if (shape === 'array') return Array.isArray(body);
  const events = isObject(body) ? body.events : undefined;
  const { eventMember } = shape;
  return (
    Array.isArray(events) &&
    events.some((event) => isObject(event) && Object.hasOwn(event, eventMember))
  );
}
