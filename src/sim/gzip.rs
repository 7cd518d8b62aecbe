//! A gzip stream that unpacks to far more than it is, for the fault of that name; it must never be used to compress anything real.

/// A gzip stream of so many MiB of blanks: one blank, then back-references of the greatest length, about a thousandth of the size.
pub fn of_blanks(mebibytes: usize) -> Vec<u8> {
    let total = mebibytes << 20;
    let mut bits = Bits::default();
    bits.out
        .extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    // One final block with fixed Huffman codes.
    bits.push(1, 1);
    bits.push(1, 2);
    // Literal blank (0x20): code 0x30 + 0x20, eight bits, most significant first.
    bits.push_reversed(0x30 + 0x20, 8);
    let mut left = total - 1;
    while left >= 258 {
        // Length 258 is symbol 285 (code 0xC0 + 285 - 280, eight bits, no extra bits); distance 1 is code 0, five bits.
        bits.push_reversed(0xC0 + 5, 8);
        bits.push(0, 5);
        left -= 258;
    }
    while left > 0 {
        bits.push_reversed(0x30 + 0x20, 8);
        left -= 1;
    }
    bits.push(0, 7);
    bits.finish();
    let mut crc = Crc::new();
    for _ in 0..total {
        crc.byte(b' ');
    }
    bits.out.extend_from_slice(&crc.value().to_le_bytes());
    bits.out.extend_from_slice(
        &u32::try_from(total & 0xffff_ffff)
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    bits.out
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, bits: u32) {
        self.held |= value << self.count;
        self.count += bits;
        while self.count >= 8 {
            let [low, ..] = self.held.to_le_bytes();
            self.out.push(low);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn push_reversed(&mut self, value: u32, bits: u32) {
        self.push(value.reverse_bits() >> (32 - bits), bits);
    }

    fn finish(&mut self) {
        if self.count > 0 {
            self.push(0, 8 - self.count);
        }
    }
}

struct Crc(u32);

/// What one byte does to the checksum.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut index = 0usize;
    let mut seed = 0u32;
    while index < table.len() {
        let mut value = seed;
        let mut bit = 0;
        while bit < 8 {
            let low = value & 1;
            value = (value >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(low));
            bit += 1;
        }
        table[index] = value;
        index += 1;
        seed += 1;
    }
    table
}

impl Crc {
    fn new() -> Self {
        Self(u32::MAX)
    }

    fn byte(&mut self, byte: u8) {
        let [low, ..] = (self.0 ^ u32::from(byte)).to_le_bytes();
        self.0 = (self.0 >> 8) ^ TABLE[usize::from(low)];
    }

    fn value(&self) -> u32 {
        !self.0
    }
}
