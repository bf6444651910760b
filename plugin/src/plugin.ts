import { FlexPlugin } from "@twilio/flex-plugin";
import type { FlexGlobal, FlexManager, ReactGlobal, TaskPayload } from "./flex";
import { addPanel } from "./view";
import { makePost, type TaskEvent } from "./post";
import { Queue } from "./queue";
import { Sender, type Surroundings } from "./sender";
import { readPanelSettings, readSettings } from "./settings";

/**
 * Tells flexbrevo that the agent completed or wrapped up a task, so that it looks
 * at once instead of at its next turn. It is a shortcut and no more: what it does
 * not tell, flexbrevo finds by itself.
 */
export default class FlexbrevoPlugin extends FlexPlugin {
  constructor() {
    super("FlexbrevoPlugin");
  }

  /** Called by Flex once, when the agent is logged in. */
  override init(flex: FlexGlobal, manager: FlexManager): void {
    const shown = readPanelSettings(manager);
    if (shown !== undefined) {
      addPanel(flex, manager, shown, (window as unknown as { React?: ReactGlobal }).React);
    }
    const settings = readSettings(manager);
    if (settings === undefined) {
      console.warn("flexbrevo: ui_attributes.flexbrevo.url of the Flex configuration is missing or unusable; nothing is sent");
      return;
    }
    const worker = manager.workerClient?.sid ?? "";
    const queue = new Queue(browserStore(), worker, Date.now);
    const sender = new Sender(settings.address, queue, browser(manager));
    const listen = (action: string, event: TaskEvent) =>
      flex.Actions.addListener(action, (payload: TaskPayload) => {
        const post = makePost(event, payload, worker, new Date());
        if (post !== undefined) {
          queue.add(post);
          void sender.flush();
        }
      });
    listen("afterCompleteTask", "task-complete");
    listen("afterWrapupTask", "task-wrapup");
    window.addEventListener("online", () => void sender.retryNow());
    void sender.flush();
  }
}

function browserStore(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined; // the browser forbids it
  }
}

function browser(manager: FlexManager): Surroundings {
  return {
    fetch: (address, init) => window.fetch(address, init),
    token: () => manager.user?.token,
    now: () => Date.now(),
    after: (delay, call) => void window.setTimeout(call, delay),
    random: () => Math.random(),
    alone: async (work) => {
      if (navigator.locks === undefined) {
        return work();
      }
      return navigator.locks.request("flexbrevo.send", { ifAvailable: true }, async (lock) => {
        if (lock !== null) {
          await work();
        }
      });
    },
    warn: (message) => console.warn(message),
  };
}
