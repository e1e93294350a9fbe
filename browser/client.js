// The page's side of the worker: each call is a promise of its answer.

export class Client {
  constructor() {
    this.worker = new Worker("engine.js", { type: "module" });
    this.waiting = new Map();
    this.calls = 0;
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(error);
      else resolve(result);
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject({ failed: event.message ?? "worker" });
      this.waiting.clear();
    };
  }

  /** Call a function of the engine; what it rejects with is {reason, values} of a picture, or {failed}. */
  ask(call, ...given) {
    return new Promise((resolve, reject) => {
      this.calls += 1;
      this.waiting.set(this.calls, { resolve, reject });
      this.worker.postMessage({ id: this.calls, call, given });
    });
  }
}
