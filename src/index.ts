export { type EntityRef } from './domain/record.ts';
export { bundledKinds } from './systems/bundled.ts';
/** Landfall as a library: build the service into a process of your own, with kinds of your own. */
export { type AppDeps, buildApp } from './app.ts';
export { type Config, ConfigError, loadConfig } from './config/config.ts';
export { accept, patchRecord, putRecord, reject, removeRecord } from './domain/kinds/decisions.ts';
export {
  defineKind,
  type Kind,
  type KindDefinition,
  type KindFailures,
} from './domain/kinds/define-kind.ts';
export { type EntityType, entityType, recordData } from './domain/kinds/entity-type.ts';
export type {
  Decision,
  EventContext,
  Fields,
  Records,
  RecordView,
  RecordWrite,
} from './domain/kinds/intent.ts';
export { payload } from './domain/kinds/payload-versions.ts';
export {
  append,
  create,
  decide,
  type DecideDefinition,
  patch,
  type Policy,
  put,
  remove,
  strict,
} from './domain/kinds/policies.ts';
export { createRegistry, type KindRegistry } from './domain/kinds/registry.ts';
export type { SchemaVersions } from './domain/kinds/schema-versions.ts';
export { createLogger } from './observability/logger.ts';
export type { SyncRecord } from './protocol/record.ts';
export { identifierSchema } from './domain/identifier.ts';
export {
  type Rehearsal,
  type RehearsalAnswer,
  type RehearsalBatch,
  type RehearsalOptions,
  type RehearsalRecord,
  type RehearsalStart,
  rehearse,
} from './testing/rehearse.ts';
export { type Database, type DatabaseOptions, openDatabase } from './postgres/database.ts';
