// The camera: a look through it, and a picture taken, without loss, as any other file.

import { find, make } from "./dom.js";
import { say } from "./texts.js";

/** Let the buttons of the page open the camera; `taken` gets each picture as a Blob. */
export function offerCamera(taken) {
  const dialog = find("#camera");
  const video = find("video", dialog);
  const stop = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  };
  const words = find("p", dialog);
  find("#open-camera").addEventListener("click", async () => {
    words.textContent = "";
    find("#take").disabled = true;
    dialog.showModal();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 1920 } },
      });
      find("#take").disabled = false;
    } catch (error) {
      words.textContent = say("camera.refused", { why: error.message });
    }
  });
  find("#close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  find("#take").addEventListener("click", () => {
    const still = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    still.getContext("2d").drawImage(video, 0, 0);
    dialog.close();
    still.toBlob(taken, "image/png");
  });
}
