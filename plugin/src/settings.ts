import type { FlexManager } from "./flex";

/** Where posts go. */
export interface Settings {
  /** The complete address of the webhook. */
  address: string;
}

const path = "/webhooks/flex/task-complete";

/**
 * Reads the settings from Flex configuration:
 *
 *     "ui_attributes": {"flexbrevo": {"url": "https://connector.example.com", "connector": "twilio_flex"}}
 *
 * `url` is flexbrevo's `server.public_url`; `connector` is needed where one
 * flexbrevo serves several. Undefined means that nothing usable is configured:
 * the token is sent there, so the address must be https, or plain http on
 * this machine.
 */
export function readSettings(manager: FlexManager): Settings | undefined {
  const given = manager.serviceConfiguration?.ui_attributes?.["flexbrevo"];
  if (typeof given !== "object" || given === null) {
    return undefined;
  }
  const { url, connector } = given as { url?: unknown; connector?: unknown };
  const base = typeof url === "string" ? usable(url) : undefined;
  if (base === undefined) {
    return undefined;
  }
  const prefix = typeof connector === "string" && connector !== "" ? `/c/${encodeURIComponent(connector)}` : "";
  return { address: base + prefix + path };
}

function usable(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  const here = url.hostname === "localhost" || url.hostname === "127.0.0.1" || url.hostname === "[::1]";
  if (url.protocol !== "https:" && !(url.protocol === "http:" && here)) {
    return undefined;
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return undefined;
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** Where what agents are shown of a customer stands in Sync. */
export interface PanelSettings {
  /** Unique name of the map with an item for each customer; or */
  map?: string;
  /** what the names of the customers' documents begin with. */
  documents?: string;
  /** What an item is found by, as in flexbrevo's `sync_publish.key`. */
  key: "phone" | "identity";
}

/**
 * Reads which objects of Sync are shown beside a task:
 *
 *     "ui_attributes": {"flexbrevo": {"sync": {"map": "customers", "key": "phone"}}}
 *
 * Undefined means none.
 */
export function readPanelSettings(manager: FlexManager): PanelSettings | undefined {
  const given = manager.serviceConfiguration?.ui_attributes?.["flexbrevo"] as { sync?: unknown } | null | undefined;
  const sync = given?.sync as { map?: unknown; documents?: unknown; key?: unknown } | null | undefined;
  const key = sync?.key === "identity" ? "identity" : "phone";
  if (typeof sync?.map === "string" && sync.map !== "") {
    return { map: sync.map, key };
  }
  if (typeof sync?.documents === "string" && sync.documents !== "") {
    return { documents: sync.documents, key };
  }
  return undefined;
}
