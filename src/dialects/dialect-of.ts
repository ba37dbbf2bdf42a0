import { colony } from './colony.ts';
import { type Dialect, isObject } from './dialect.ts';
import { freight, hasClientRequestId } from './freight.ts';
import { plain } from './plain.ts';

/** Which of the dialects of `POST /api/sync/events` a body is written in. */
export function dialectOf(body: unknown): Dialect {
  if (Array.isArray(body)) return colony;
  const events = isObject(body) ? body.events : undefined;
  return Array.isArray(events) && events.some(hasClientRequestId) ? freight : plain;
}
