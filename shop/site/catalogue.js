// What the shop has. Prices are in euros; `PER_EUR` says what one euro is in the other currencies of the
// shop.

export const PER_EUR = { EUR: 1, CHF: 0.95, USD: 1.1 };

export const PRODUCTS = [
  { id: "lamp-arc", name: "Arc lamp", category: "Lighting", brand: "Finch", cents: 14900, shape: "lamp", hue: 42,
    text: "A brass arc with a linen shade. Dims by touch." },
  { id: "lamp-desk", name: "Desk lamp", category: "Lighting", brand: "Finch", cents: 5990, shape: "lamp", hue: 160,
    text: "One joint, one switch, one warm light." },
  { id: "candle-set", name: "Beeswax candles", category: "Lighting", brand: "Alder", cents: 1850, shape: "candle", hue: 38,
    text: "Six candles, ten hours each." },
  { id: "mug-ash", name: "Ash mug", category: "Kitchen", brand: "Alder", cents: 1490, shape: "mug", hue: 205,
    text: "Stoneware, 300 ml, glazed by hand." },
  { id: "bowl-wide", name: "Wide bowl", category: "Kitchen", brand: "Alder", cents: 2290, shape: "bowl", hue: 14,
    text: "For soup, salad, or fruit. Safe in the oven." },
  { id: "teapot", name: "Teapot", category: "Kitchen", brand: "Alder", cents: 4450, shape: "pot", hue: 130,
    text: "Pours without a drop beside the cup." },
  { id: "throw-wool", name: "Wool throw", category: "Textiles", brand: "Heron", cents: 8900, shape: "cloth", hue: 350,
    text: "Lambswool, woven in one piece, 130 by 180 cm." },
  { id: "cushion", name: "Cushion", category: "Textiles", brand: "Heron", cents: 3290, shape: "cushion", hue: 262,
    text: "Linen cover, filled with down." },
  { id: "towel", name: "Kitchen towel", category: "Textiles", brand: "Heron", cents: 995, shape: "cloth", hue: 190,
    text: "Half linen. Dries glasses without streaks." },
  { id: "pot-clay", name: "Clay pot", category: "Garden", brand: "Alder", cents: 1275, shape: "plant", hue: 96,
    text: "With saucer. The plant is not included, and we are sorry." },
  { id: "watering-can", name: "Watering can", category: "Garden", brand: "Finch", cents: 3650, shape: "pot", hue: 210,
    text: "Zinc, two litres, a long neck." },
  { id: "bench", name: "Garden bench", category: "Garden", brand: "Finch", cents: 27900, shape: "bench", hue: 28,
    text: "Oiled larch for two people and a cat." },
];

export const CATEGORIES = [...new Set(PRODUCTS.map((product) => product.category))];

export const product = (id) => PRODUCTS.find((one) => one.id === id);

/// A product's price in a currency's smallest unit, a hundredth in each of them.
export const minor = (one, currency) => Math.round(one.cents * PER_EUR[currency]);

export const money = (cents, currency) =>
  new Intl.NumberFormat("en", { style: "currency", currency }).format(cents / 100);

const SHAPES = {
  lamp: '<path d="M60 118h40M80 118V62"/><path class="fill" d="M56 62 66 30h28l10 32z"/>',
  candle: '<path class="fill" d="M52 60h16v58H52zM92 74h16v44H92z"/><path d="M60 60V48m40 26V62"/><path d="M60 46c-5-6 0-10 0-14 0 4 5 8 0 14zm40 14c-5-6 0-10 0-14 0 4 5 8 0 14z"/>',
  mug: '<path class="fill" d="M48 52h52v48a18 18 0 0 1-18 18H66a18 18 0 0 1-18-18z"/><path d="M100 64h8a14 14 0 0 1 0 28h-8"/>',
  bowl: '<path class="fill" d="M36 66h88c0 30-20 48-44 48S36 96 36 66z"/><path d="M66 114h28v6H66z"/>',
  pot: '<path class="fill" d="M52 58h56l8 52a8 8 0 0 1-8 8H52a8 8 0 0 1-8-8z"/><path d="M110 66l24-10M62 58c0-24 36-24 36 0"/>',
  cloth: '<path class="fill" d="M44 36h72v72H44z"/><path d="M44 54h72M44 90h72M44 108v10m12-10v10m12-10v10m12-10v10m12-10v10m12-10v10m12-10v10"/>',
  cushion: '<path class="fill" d="M42 40c24 6 52 6 76 0-6 24-6 52 0 76-24-6-52-6-76 0 6-24 6-52 0-76z"/><path d="M80 70v16m-8-8h16"/>',
  plant: '<path class="fill" d="M56 82h48l-6 36H62z"/><path d="M80 82V46m0 18c-14 0-22-8-24-20 14 0 22 8 24 20zm0-8c12 0 20-8 22-20-14 0-20 8-22 20z"/>',
  bench: '<path class="fill" d="M34 76h92v12H34z"/><path d="M42 88v30m76-30v30M40 44h80M40 58h80M44 44v32m72-32v32"/>',
};

/// The drawing of a product. Its colours are attributes, because the page's policy allows no style in the
/// markup.
export const drawing = ({ shape, hue, name }) => `
  <svg class="drawing" viewBox="0 0 160 150" role="img" aria-label="${name}" fill="none" stroke="hsl(${hue} 45% 28%)"
       stroke-width="3" stroke-linecap="round" stroke-linejoin="round">
    <rect width="160" height="150" fill="hsl(${hue} 42% 91%)" stroke="none"/>
    ${SHAPES[shape].replace(/class="fill"/g, `fill="hsl(${hue} 48% 66%)"`)}
  </svg>`;
