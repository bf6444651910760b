// A stand-in for the part of twilio-sync that the plugin uses: it reads the Sync of flexbrevo's simulator through
// the page's own server, under /sync, and asks for a document again and again instead of being told.

/** What the real client rejects with has a status, too. */
class Missing extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

type Listener = (event: { data: unknown }) => void;

export class SyncClient {
  constructor(private token: string) {}

  async updateToken(token: string): Promise<void> {
    this.token = token;
  }

  async map({ id }: { id: string; mode: string }) {
    const get = (key: string) => this.read(`Maps/${encodeURIComponent(id)}/Items/${encodeURIComponent(key)}`);
    return { get, close: () => undefined };
  }

  async document({ id }: { id: string; mode: string }) {
    const path = `Documents/${encodeURIComponent(id)}`;
    const listeners: Record<string, Listener[]> = {};
    let last = await this.read(path);
    const timer = setInterval(async () => {
      try {
        const next = await this.read(path);
        if (next.revision !== last.revision) {
          last = next;
          listeners["updated"]?.forEach((listen) => listen({ data: next.data }));
        }
      } catch {
        listeners["removed"]?.forEach((listen) => listen({ data: undefined }));
      }
    }, 50);
    return {
      data: last.data,
      on: (event: string, listener: Listener) => (listeners[event] ??= []).push(listener),
      close: () => clearInterval(timer),
    };
  }

  private async read(path: string): Promise<{ data: unknown; revision: string }> {
    const answer = await fetch(`/sync/v1/Services/default/${path}`, { headers: { "X-Token": this.token } });
    if (!answer.ok) {
      throw new Missing(answer.status);
    }
    return (await answer.json()) as { data: unknown; revision: string };
  }
}
