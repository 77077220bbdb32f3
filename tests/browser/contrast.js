// The least contrast of texts and of controls below an element, by WCAG 2.1.
el => {
    // Colours are read back from a canvas, which knows every notation of CSS.
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = colour => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, ground) => [0, 1, 2].map(i => top[i] * top[3] + ground[i] * (1 - top[3]));
    const light = colour => {
        const [r, g, b] = colour.map(part => part / 255).map(share =>
            share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const ground = one => {
        const layers = [];
        for (let at = one; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
        return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const visible = one => one.getClientRects().length && getComputedStyle(one).visibility === "visible" && !one.disabled;
    const hasText = one => [...one.childNodes].some(node => node.nodeType === 3 && node.nodeValue.trim());
    const texts = [...el.querySelectorAll("*")].filter(one => visible(one) && hasText(one) && !one.closest("option, svg, style"))
        .map(one => { const below = ground(one);
            return [contrast(over(rgba(getComputedStyle(one).color), below), below), one.outerHTML.slice(0, 120)]; });
    const controls = [...el.querySelectorAll("input:not([type=checkbox]), select, textarea, button:not([data-date])")].filter(visible)
        .map(one => { const style = getComputedStyle(one), below = ground(one.parentElement);
            // A control is seen by its border or by its own ground.
            const border = contrast(over(rgba(style.borderTopColor), below), below);
            return [Math.max(border, contrast(ground(one), below)), one.outerHTML.slice(0, 120)]; });
    const least = all => all.sort((a, b) => a[0] - b[0])[0] ?? [21, ""];
    return [least(texts), least(controls)];
}
