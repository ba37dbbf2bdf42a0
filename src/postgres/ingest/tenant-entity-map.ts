import { EntityMap } from '../../domain/entity-map.ts';
import type { EntityRef } from '../../domain/record.ts';
import type { OfTenant } from '../client/row-set.ts';

/** A map by tenant and entity. */
export class TenantEntityMap<Value> {
  readonly #byTenant = new Map<number, EntityMap<Value>>();

  get({ tenantNo, row }: OfTenant<EntityRef>): Value | undefined {
    return this.#byTenant.get(tenantNo)?.get(row);
  }

  has({ tenantNo, row }: OfTenant<EntityRef>): boolean {
    return this.#byTenant.get(tenantNo)?.has(row) === true;
  }

  set({ tenantNo, row }: OfTenant<EntityRef>, value: Value): void {
    let ofTenant = this.#byTenant.get(tenantNo);
    if (!ofTenant) {
      ofTenant = new EntityMap();
      this.#byTenant.set(tenantNo, ofTenant);
    }
    ofTenant.set(row, value);
  }
}
