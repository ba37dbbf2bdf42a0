/** What waits: each tenant's in order of arrival, and tenants take turns. */
export class FairQueue<Item> {
  /** In turn order: a tenant that was served goes to the end. */
  readonly #queues = new Map<string, Item[]>();
  #size = 0;

  /** Of all tenants. */
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

  /** Before all else of the tenant: what was taken, and has to be taken again. */
  putBack(tenantId: string, items: readonly Item[]): void {
    this.#size += items.length;
    const queue = this.#queues.get(tenantId);
    if (queue) queue.unshift(...items);
    else this.#queues.set(tenantId, [...items]);
  }

  /** Takes an item that no longer wants its turn. False where it does not wait. */
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
      this.#endTurn(tenantId);
      return item;
    }
    return undefined;
  }

  /** Takes items of one tenant, in order, until `fits` says no. */
  takeOf(tenantId: string, fits: (item: Item) => boolean): Item[] {
    return this.#take([tenantId], fits);
  }

  /**
   * Takes one item of each tenant in turn, round after round. A tenant whose next item does not fit
   * is done.
   *
   * @param maxTenants how many of them, from the head of the turn on; the others keep their places
   */
  takeRoundRobin(
    isOpen: (tenantId: string) => boolean,
    fits: (item: Item) => boolean,
    maxTenants: number,
  ): Item[] {
    const open = [...this.#queues.keys()].filter(isOpen);
    return this.#take(open.slice(0, maxTenants), fits);
  }

  #take(tenants: readonly string[], fits: (item: Item) => boolean): Item[] {
    const taken: Item[] = [];
    const served = new Set<string>();
    let open = tenants;
    while (open.length > 0) {
      open = open.filter((tenantId) => {
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
    for (const tenantId of served) this.#endTurn(tenantId);
    return taken;
  }

  #endTurn(tenantId: string): void {
    const rest = this.#queues.get(tenantId) ?? [];
    this.#queues.delete(tenantId);
    if (rest.length > 0) this.#queues.set(tenantId, rest);
  }
}
