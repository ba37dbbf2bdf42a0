import { pushEnvelopeSchema } from './push.ts';
import { parseEnvelope } from './request.ts';
import { type Dialect, plainFieldMapping } from './dialect.ts';

/** The protocol's own words. */
export const plain: Dialect = {
  name: 'plain',
  // On whatever there is.
  kinds: [],
  matches: () => true,
  parseEnvelope: (body) => parseEnvelope(pushEnvelopeSchema, body),
  adapt: (raw) => ({ ...plainFieldMapping, ok: true, event: raw }),
  adaptAnswer: (answer) => answer,
  description: { schemas: {} },
};
