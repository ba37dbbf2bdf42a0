/** Landfall as a library: build the service into a process of your own, with kinds of your own. */
export { type AppDeps, buildApp } from './app.ts';
export { type Config, ConfigError, loadConfig } from './config.ts';
export { accept, patchRecord, putRecord, reject, removeRecord } from './kinds/decisions.ts';
export {
  defineKind,
  type Kind,
  type KindDefinition,
  type KindFailures,
} from './kinds/define-kind.ts';
export { type EntityType, entityType, recordData } from './kinds/entity-type.ts';
export type {
  Decision,
  EventContext,
  Fields,
  Records,
  RecordView,
  RecordWrite,
} from './kinds/intent.ts';
export { payload } from './kinds/payload-versions.ts';
export {
  append,
  create,
  decide,
  type DecideRules,
  patch,
  type Policy,
  put,
  remove,
  strict,
} from './kinds/policies.ts';
export { bundledKinds, createRegistry, type KindRegistry } from './kinds/registry.ts';
export type { SchemaVersions } from './kinds/schema-versions.ts';
export { createLogger } from './observability/logger.ts';
export type { EntityRef, Record } from './protocol/record.ts';
export { identifierSchema } from './protocol/text.ts';
export {
  type Rehearsal,
  type RehearsalAnswer,
  type RehearsalBatch,
  type RehearsalOptions,
  type RehearsalRecord,
  type RehearsalStart,
  rehearse,
} from './rehearse.ts';
export { type Database, type DatabaseOptions, openDatabase } from './storage/database.ts';
