/** A queue in which tenants take turns (round robin). The items of one tenant keep their order of arrival. */
export class FairQueue<Item> {
  /** The tenants in the order of their turns. A tenant that was served moves to the end. */
  readonly #queues = new Map<string, Item[]>();
  #size = 0;

  /** The number of items of all tenants. */
  get size(): number {
    return this.#size;
  }

  sizeOf(tenantId: string): number {
    return this.#queues.get(tenantId)?.length ?? 0;
  }

  add(tenantId: string, item: Item): void {
    this.#size += 1;
    const queue = this.#queues.get(tenantId);
    if (queue) queue.push(item);
    else this.#queues.set(tenantId, [item]);
  }

  /** Returns items that were taken to the front of their tenant's queue. */
  putBack(tenantId: string, items: readonly Item[]): void {
    this.#size += items.length;
    const queue = this.#queues.get(tenantId);
    if (queue) queue.unshift(...items);
    else this.#queues.set(tenantId, [...items]);
  }

  /** Removes an item before its turn. @returns false if the item is not in the queue */
  remove(tenantId: string, item: Item): boolean {
    const queue = this.#queues.get(tenantId) ?? [];
    const index = queue.indexOf(item);
    if (index < 0) return false;
    queue.splice(index, 1);
    this.#size -= 1;
    if (queue.length === 0) this.#queues.delete(tenantId);
    return true;
  }

  /** Takes one item of the tenant whose turn it is. */
  next(): Item | undefined {
    for (const [tenantId, queue] of this.#queues) {
      const item = queue.shift();
      this.#size -= 1;
      this.#moveToEnd(tenantId);
      return item;
    }
    return undefined;
  }

  /** Takes items of one tenant, in order, until `fits` returns false. */
  takeOf(tenantId: string, fits: (item: Item) => boolean): Item[] {
    return this.#take([tenantId], fits);
  }

  /**
   * Takes one item of each tenant in turn, round after round. A tenant whose next item does not fit
   * gets no further round.
   *
   * @param isEligible whether items of the tenant may be taken
   * @param maxTenants the maximum of tenants; those beyond it keep their turns
   */
  takeRoundRobin(
    isEligible: (tenantId: string) => boolean,
    fits: (item: Item) => boolean,
    maxTenants: number,
  ): Item[] {
    const eligible = [...this.#queues.keys()].filter(isEligible);
    return this.#take(eligible.slice(0, maxTenants), fits);
  }

  #take(tenants: readonly string[], fits: (item: Item) => boolean): Item[] {
    const taken: Item[] = [];
    const served = new Set<string>();
    let remaining = tenants;
    while (remaining.length > 0) {
      remaining = remaining.filter((tenantId) => {
        const queue = this.#queues.get(tenantId) ?? [];
        const [item] = queue;
        if (item === undefined || !fits(item)) return false;
        queue.shift();
        taken.push(item);
        served.add(tenantId);
        return true;
      });
    }
    this.#size -= taken.length;
    for (const tenantId of served) this.#moveToEnd(tenantId);
    return taken;
  }

  #moveToEnd(tenantId: string): void {
    const rest = this.#queues.get(tenantId) ?? [];
    this.#queues.delete(tenantId);
    if (rest.length > 0) this.#queues.set(tenantId, rest);
  }
}
