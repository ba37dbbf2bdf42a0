import type { EntityRef } from './record.ts';

/**
 * A map by entity. It has two levels, because one text of type and id would have to be built and hashed for each
 * look-up: a push looks up each of its entities several times.
 */
export class EntityMap<Value> {
  readonly #byType = new Map<string, Map<string, Value>>();

  get({ entityType, entityId }: EntityRef): Value | undefined {
    return this.#byType.get(entityType)?.get(entityId);
  }

  has({ entityType, entityId }: EntityRef): boolean {
    return this.#byType.get(entityType)?.has(entityId) === true;
  }

  set({ entityType, entityId }: EntityRef, value: Value): void {
    const ofType = this.#byType.get(entityType);
    if (ofType) ofType.set(entityId, value);
    else this.#byType.set(entityType, new Map([[entityId, value]]));
  }

  get isEmpty(): boolean {
    return this.#byType.size === 0;
  }

  clear(): void {
    this.#byType.clear();
  }

  /** Type by type, and in the order of insertion within a type. */
  *values(): Generator<Value> {
    for (const ofType of this.#byType.values()) yield* ofType.values();
  }
}
