import { LruMap } from 'toad-cache';
import type { SchemaPool } from '../client/pool.ts';
import { runInOneRoundTrip, tenantIdScope } from '../client/transaction.sql.ts';
import { findTenantNumbers, insertTenants } from './tenant-numbers.sql.ts';

/** The maximum of tenants whose numbers are kept. They take some megabytes. */
const maxTenants = 100_000;

/**
 * The numbers by which all tables name the tenants. A process asks the database once for each tenant. The number may
 * be outdated: a tenant that was removed gets another one, and a restored database may have given it to another
 * tenant. So every transaction compares the id in the tenant's row, and calls `forget` where it differs.
 */
export class TenantNumbers {
  readonly #pool: SchemaPool;
  readonly #numbers = new LruMap<number>(maxTenants);

  constructor(pool: SchemaPool) {
    this.#pool = pool;
  }

  /** The numbers by id, without the tenants that have no row. @throws pg errors */
  async find(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const unknown = ids.filter((id) => this.#numbers.get(id) === undefined);
    if (unknown.length > 0) await this.#load(unknown);
    return this.#known(ids);
  }

  /** The numbers by id. Tenants without a row get one. @throws pg errors */
  async ensure(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = await this.find(ids);
    if (found.size === ids.length) return found;
    const missing = ids.filter((id) => !found.has(id));
    await runInOneRoundTrip(this.#pool, tenantIdScope(missing), (sender) =>
      insertTenants(sender, missing),
    );
    await this.#load(missing);
    return this.#known(ids);
  }

  /** Runs `work` with the number of a tenant; undefined where the tenant has no row. */
  async with<Result>(
    id: string,
    work: (no: number) => Promise<Result | typeof isOutdated>,
  ): Promise<Result | undefined> {
    for (;;) {
      const no = (await this.find([id])).get(id);
      if (no === undefined) return undefined;
      const result = await work(no);
      if (result !== isOutdated) return result;
      this.forget([id]);
    }
  }

  /** The next call asks the database again. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#numbers.delete(id);
  }

  async #load(ids: readonly string[]): Promise<void> {
    const rows = await runInOneRoundTrip(this.#pool, tenantIdScope(ids), (sender) =>
      findTenantNumbers(sender, ids),
    );
    for (const { id, no } of rows) this.#numbers.set(id, no);
  }

  #known(ids: readonly string[]): ReadonlyMap<string, number> {
    const known = new Map<string, number>();
    for (const id of ids) {
      const no = this.#numbers.get(id);
      if (no !== undefined) known.set(id, no);
    }
    return known;
  }
}

/** What work with the number of a tenant returns where the row of that number is not the tenant's. */
export const isOutdated = Symbol('the number of a tenant is outdated');
