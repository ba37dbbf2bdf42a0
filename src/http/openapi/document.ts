import manifest from '../../../package.json' with { type: 'json' };
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import { dialectsFor } from '../../systems/dialects.ts';
import type { Examples } from './examples.ts';
import { conflictPaths } from '../routes/conflicts/openapi.ts';
import { healthPaths } from '../routes/health/openapi.ts';
import { historyPaths } from '../routes/history/openapi.ts';
import { pullPaths } from '../routes/changes/openapi.ts';
import { pushPaths } from '../routes/push/openapi.ts';
import { headerComponents } from './responses.ts';
import { type JsonSchema, schemasOf } from './schemas.ts';

/** The OpenAPI 3.1 document: schemas from src/protocol and the kinds, codes from src/domain/errors.ts. */
export function buildDocument(kinds: KindRegistry, examples: Examples): JsonSchema {
  const dialects = dialectsFor((name) => kinds.find(name) !== undefined);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Landfall',
      version: manifest.version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Offline-first clients post the events they queued and pull what changed since. ' +
        'Every event happens exactly once, by its identityKey; the last write wins, on the ' +
        "server's clock; a checkpoint never skips a change.",
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [
      { name: 'Sync', description: 'What clients call.' },
      { name: 'Conflicts', description: 'What a person settles.' },
      { name: 'History', description: 'What the log says of an entity, or of an event.' },
      { name: 'Health', description: 'What whoever runs it calls.' },
    ],
    paths: {
      ...pushPaths(kinds, dialects, examples),
      ...pullPaths(examples),
      ...conflictPaths(examples),
      ...historyPaths(examples),
      ...healthPaths(),
    },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      },
      headers: headerComponents(),
      schemas: schemasOf(kinds, dialects),
    },
  };
}
