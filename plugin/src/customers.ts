import type { SyncClient } from "twilio-sync";
import type { PanelSettings } from "./settings";

/** One labelled value. */
export interface Field {
  label: string;
  value: unknown;
}

/** One event; all that it has beside these two is shown as far as it is known. */
export interface ShownEvent {
  type: string;
  at: string;
  [property: string]: unknown;
}

/** What flexbrevo keeps of a customer for agents (docs/publish.md). */
export interface Customer {
  name?: string;
  metrics: Record<string, unknown>;
  fields: Field[];
  events: ShownEvent[];
}

/** How a look at a customer stands. */
export type Sight = { kind: "loading" } | { kind: "nobody" } | { kind: "failed" } | { kind: "known"; customer: Customer };

type Client = Pick<SyncClient, "map" | "document" | "updateToken">;

/** Looks customers up in Sync with the agent's own token. */
export class Customers {
  private client: Client | undefined;

  constructor(
    private readonly settings: PanelSettings,
    private readonly open: () => Client,
  ) {}

  /** Goes on with a new token; the old one runs out. */
  renew(token: string): void {
    void this.client?.updateToken(token).catch(() => undefined);
  }

  /**
   * Shows a customer, and again whenever their document changes, until the returned
   * function is called. An item of a map is read once: whoever listens to a map is told
   * of everybody in it.
   */
  watch(key: string, show: (sight: Sight) => void): () => void {
    let over = false;
    let close = (): void => undefined;
    const tell = (sight: Sight): void => {
      if (!over) {
        show(sight);
      }
    };
    tell({ kind: "loading" });
    this.look(key, tell)
      .then((done) => {
        close = done;
        if (over) {
          close();
        }
      })
      .catch((reason: unknown) => tell({ kind: missing(reason) ? "nobody" : "failed" }));
    return () => {
      over = true;
      close();
    };
  }

  private async look(key: string, tell: (sight: Sight) => void): Promise<() => void> {
    const client = (this.client ??= this.open());
    if (this.settings.map !== undefined) {
      const map = await client.map({ id: this.settings.map, mode: "open_existing" });
      try {
        tell(read((await map.get(key)).data));
      } finally {
        map.close();
      }
      return () => undefined;
    }
    const document = await client.document({ id: (this.settings.documents ?? "") + key, mode: "open_existing" });
    tell(read(document.data));
    document.on("updated", (event: { data: unknown }) => tell(read(event.data)));
    document.on("removed", () => tell({ kind: "nobody" }));
    return () => document.close();
  }
}

/** Sync says 404 of what is not there. */
function missing(reason: unknown): boolean {
  return typeof reason === "object" && reason !== null && (reason as { status?: unknown }).status === 404;
}

/** Reads what stands in Sync; what has another shape than flexbrevo writes is shown to nobody. */
export function read(data: unknown): Sight {
  const d = data as { v?: unknown; name?: unknown; metrics?: unknown; fields?: unknown; events?: unknown } | null;
  if (typeof d !== "object" || d === null || d.v !== 1) {
    return { kind: "failed" };
  }
  const customer: Customer = {
    metrics: typeof d.metrics === "object" && d.metrics !== null ? (d.metrics as Record<string, unknown>) : {},
    fields: list(d.fields).flatMap(({ label, value }) => (typeof label === "string" ? [{ label, value }] : [])),
    events: list(d.events).flatMap((e) => (typeof e["type"] === "string" && typeof e["at"] === "string" ? [e as ShownEvent] : [])),
  };
  if (typeof d.name === "string" && d.name !== "") {
    customer.name = d.name;
  }
  return { kind: "known", customer };
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((v) => typeof v === "object" && v !== null) : [];
}
