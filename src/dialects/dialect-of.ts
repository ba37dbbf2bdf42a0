import { colony } from './colony.ts';
import { type Dialect, isObject } from './dialect.ts';
import { freight, hasClientRequestId } from './freight.ts';
import { plain } from './plain.ts';
import { sales } from './sales.ts';

export type Dialects = ReadonlySet<Dialect>;

/** The dialects that are on beside the plain one, by the kinds of the service. */
export function dialectsFor(hasKind: (name: string) => boolean): Dialects {
  return new Set([colony, freight, sales].filter(({ kinds }) => kinds.some(hasKind)));
}

/** Which of the dialects of `POST /api/sync/events` a body is written in. */
export function dialectOf(body: unknown, dialects: Dialects): Dialect {
  if (Array.isArray(body)) return dialects.has(colony) ? colony : plain;
  if (!dialects.has(freight)) return plain;
  const events = isObject(body) ? body.events : undefined;
  return Array.isArray(events) && events.some(hasClientRequestId) ? freight : plain;
}
