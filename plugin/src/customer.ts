import type { FlexTask } from "./flex";

/**
 * The key under which flexbrevo keeps a task's customer: their phone in E.164, or
 * their chat identity. Undefined where the task names none. It reads the same
 * attributes in the same order as flexbrevo does, save those that only its rules know.
 */
export function keyOf(task: FlexTask | undefined, by: "phone" | "identity"): string | undefined {
  const a = task?.attributes ?? {};
  const customers = typeof a["customers"] === "object" && a["customers"] !== null ? (a["customers"] as Record<string, unknown>) : {};
  const direction = text(a["direction"]).toLowerCase();
  const outbound = direction.startsWith("outbound") || (direction === "" && text(a["outbound_to"]) !== "");
  const addresses = outbound ? [a["outbound_to"], a["customerAddress"]] : [a["customerAddress"], a["from"], a["caller"]];
  if (by === "phone") {
    return [a["phone"], customers["phone"], ...addresses].map(phone).find((p) => p !== undefined);
  }
  return [addresses[0], addresses[1], a["identity"]].map(identity).find((i) => i !== undefined);
}

function text(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function phone(value: unknown): string | undefined {
  const digits = text(value).replace(/^(whatsapp|sms|rcs):/, "").replace(/[\s().-]/g, "");
  return /^\+[1-9][0-9]{5,14}$/.test(digits) ? digits : undefined;
}

function identity(value: unknown): string | undefined {
  const name = text(value);
  const withheld = ["anonymous", "restricted", "unavailable", "unknown", "private"].includes(name.toLowerCase());
  return name === "" || withheld || name.includes("@") || /^[a-z]*:?\+?[0-9\s().-]+$/.test(name) ? undefined : name;
}
