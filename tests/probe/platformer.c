/* A platformer whose rules are known, to check the probe on a real NES core. RIGHT and LEFT walk, A jumps,
   DOWN crouches, B shoots to the right, UP climbs nothing; an enemy walks to and fro by itself. */
#include <conio.h>
#include <nes.h>

#define REG(a) (*(volatile unsigned char *)(a))
#define FLOOR 160

static unsigned char pad, tick, low, enemy = 40;
static unsigned char* oam;
static int x = 100, y = FLOOR, rise, shot = 300, shot_y;

static void read_pad(void) {
    unsigned char k;
    REG(0x4016) = 1;
    REG(0x4016) = 0;
    pad = 0;
    for (k = 0; k < 8; ++k) pad = (pad << 1) | (REG(0x4016) & 1); /* A B select start up down left right */
}

static void sprite(unsigned char at_x, unsigned char at_y, unsigned char tile) {
    oam[0] = at_y;
    oam[1] = tile;
    oam[2] = 0;
    oam[3] = at_x;
    oam += 4;
}

static void draw(void) {
    oam = (unsigned char*)0x7F00;
    sprite(x, low ? FLOOR - 8 : y - 16, 'O');
    sprite(x, low ? 250 : y - 8, 'W');
    sprite(enemy, FLOOR - 8, 'E');
    sprite(shot < 256 ? shot : 0, shot < 256 ? shot_y : 250, '-');
}

static void step(void) {
    ++tick;
    enemy = tick < 128 ? 40 + tick : 40 + (255 - tick);
    low = (pad & 4) && y == FLOOR;
    if ((pad & 1) && x < 240) x += 2;
    if ((pad & 2) && x > 8) x -= 2;
    if ((pad & 0x80) && y == FLOOR) rise = 20;
    y -= rise / 4;
    if (y >= FLOOR) { y = FLOOR; rise = 0; } else rise -= 1;
    if (shot < 256) shot += 4;
    else if (pad & 0x40) { shot = x + 8; shot_y = y - 14; }
}

void main(void) {
    int k;
    clrscr();
    for (k = 0; k < 32; ++k) cputcxy(k, FLOOR / 8, '=');
    for (k = 0; k < 256; ++k) ((unsigned char*)0x7F00)[k] = 250;
    waitvsync();
    waitvsync();
    REG(0x2001) = 0;
    REG(0x2006) = 0x3F;
    REG(0x2006) = 0x10;
    for (k = 0; k < 4; ++k) REG(0x2007) = k ? 0x30 : 0x0F;
    REG(0x2006) = 0;
    REG(0x2006) = 0;
    while (1) {
        waitvsync();
        REG(0x4014) = 0x7F; /* all sprites at once, from 0x7F00 */
        REG(0x2001) = 0x1E;
        REG(0x2000) = 0x80;
        REG(0x2005) = 0;
        REG(0x2005) = 0;
        read_pad();
        step();
        draw();
    }
}
