// The library: what a program imports to define kinds, to test them, and to run the service in its own process.

export { type AppDeps, buildApp } from './app.ts';
export { type Config, ConfigError, loadConfig } from './config/config.ts';
export { createLogger } from './observability/logger.ts';
export { type Database, type DatabaseOptions, openDatabase } from './postgres/database.ts';

export type { KindFailures } from './domain/errors.ts';
export { identifierSchema } from './domain/identifier.ts';
export { defineKind, type Kind, type KindDefinition } from './domain/kinds/define-kind.ts';
export type {
  Decision,
  EventContext,
  Fields,
  Records,
  RecordView,
  RecordWrite,
} from './domain/kinds/intent.ts';
export { append } from './domain/kinds/policies/append.ts';
export { create } from './domain/kinds/policies/create.ts';
export {
  accept,
  decide,
  type DecideDefinition,
  patchRecord,
  putRecord,
  reject,
  removeRecord,
} from './domain/kinds/policies/decide.ts';
export { patch } from './domain/kinds/policies/patch.ts';
export type { Policy } from './domain/kinds/policies/policy.ts';
export { put } from './domain/kinds/policies/put.ts';
export { remove } from './domain/kinds/policies/remove.ts';
export { strict } from './domain/kinds/policies/strict.ts';
export { type EntityType, entityType, recordData } from './domain/kinds/record-versions.ts';
export { createRegistry, type KindRegistry } from './domain/kinds/registry.ts';
export { payload, type SchemaVersions } from './domain/kinds/schema-versions.ts';
export type { EntityRef } from './domain/record.ts';
export type { SyncRecord } from './protocol/record.ts';
export { bundledKinds } from './systems/bundled.ts';
export {
  type Rehearsal,
  type RehearsalAnswer,
  type RehearsalBatch,
  type RehearsalOptions,
  type RehearsalRecord,
  type RehearsalStart,
  rehearse,
} from './testing/rehearse.ts';
