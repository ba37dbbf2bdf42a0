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
import { type JsonSchema, buildSchemas } from './schemas.ts';

/**
 * Builds the OpenAPI 3.1 document. The schemas come from src/protocol and from the kinds, the codes from
 * src/domain/errors.ts.
 */
export function buildDocument(kinds: KindRegistry, examples: Examples): JsonSchema {
  const dialects = dialectsFor((name) => kinds.find(name) !== undefined);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Landfall',
      version: manifest.version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Offline-first clients push the events that they queued, and pull the records that changed. ' +
        'Each event is applied exactly once, by its identityKey. The last write wins, on the ' +
        "server's clock. A checkpoint never skips a change.",
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [
      { name: 'Sync', description: 'The calls of clients.' },
      { name: 'Conflicts', description: 'Conflicts that a person resolves.' },
      { name: 'History', description: 'The stored events of an entity, and single events.' },
      { name: 'Health', description: 'The calls of operators.' },
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
      schemas: buildSchemas(kinds, dialects),
    },
  };
}
