/** A further iteration is worth waiting for if the last one increased the queue by this part of its size. */
const minGrowth = 1 / 4;

/**
 * Delays a start until the input that has arrived is read. An iteration of the event loop reads only a
 * part of it, and each start has a fixed cost. So the start comes at the end of an iteration. While
 * iterations increase the queue by a quarter or more, the start comes at the end of a later one. There is
 * no timer: an iteration without further input ends at once.
 *
 * @param sizeOf the size of the queue
 * @param mustStartNow whether the start must not wait for a further iteration
 * @returns a function that requests a start
 */
export function createMicroBatcher(
  sizeOf: () => number,
  mustStartNow: () => boolean,
  start: () => void,
): () => void {
  let isRequested = false;
  let sizeBefore = 0;

  function endIteration(): void {
    const size = sizeOf();
    if (!mustStartNow() && size > sizeBefore && size >= sizeBefore * (1 + minGrowth)) {
      waitForIteration(size);
      return;
    }
    isRequested = false;
    start();
  }

  function waitForIteration(size: number): void {
    sizeBefore = size;
    setImmediate(endIteration);
  }

  return () => {
    if (isRequested) return;
    isRequested = true;
    waitForIteration(sizeOf());
  };
}
