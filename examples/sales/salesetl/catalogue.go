package salesetl

import (
	"sync"

	"github.com/govalues/decimal"
)

// Products is how many products the generated shop sells.
const Products = 1000

// catalogueItem is one product and its list price in cents.
type catalogueItem struct {
	name  string
	cents int64
}

// A range is ten kinds of things in ten packings: 100 products. Where a packing begins with a comma or a blank it is
// set behind the kind as it is. The names hold what a CSV file must quote (commas, quotes) and what it must not
// touch (accents), because real ones do.
type productRange struct {
	cents    int64 // the cheapest price of the range
	kinds    [10]string
	packings [10]string
}

var ranges = [10]productRange{
	{cents: 390, kinds: [10]string{
		"Café Crème Beans", "Earl Grey Tea", "Yerba Maté", "Espresso Roast", "Jasmine Green Tea",
		"Açaí Infusion", "Darjeeling First Flush", "Hot Chocolate", "Decaf Filter Coffee", "Rooibos Chai",
	}, packings: [10]string{
		", 100 g", ", 250 g", ", 500 g", ", 1 kg", ", organic, 250 g",
		", organic, 500 g", ` "Barista"`, ` "Family Size"`, " Refill", " Gift Box",
	}},
	{cents: 240, kinds: [10]string{
		"Dark Chocolate", "Crème Brûlée Caramels", "Almond Nougat", "Sea Salt Crackers", "Piñata Sweets",
		"Gingerbread", "Würzburg Wafers", "Pâte de Fruit", "Popcorn", "Roasted Pistachios",
	}, packings: [10]string{
		", 80 g", ", 150 g", ", 300 g", ", 6 pcs", ", 12 pcs",
		", vegan", ` "Minis"`, ` "XXL"`, " Tin", " Sampler",
	}},
	{cents: 180, kinds: [10]string{
		"Notebook", "Sketchbook", "Weekly Planner", "Index Cards", "Letter Paper",
		"Fountain Pen Ink", "Pencil Set", "Gel Pen", "Washi Tape", "Desk Calendar",
	}, packings: [10]string{
		", A4", ", A5", ", A6", ", lined", ", plain",
		", recycled", ` "Déjà Vu"`, ` "Classic"`, " Value Pack", " Limited Edition",
	}},
	{cents: 890, kinds: [10]string{
		"Stoneware Mug", "Dinner Plate", "Soup Bowl", "Fondue Fork", "Gratin Dish",
		"Water Carafe", "Espresso Cup", "Salad Servers", "Butter Dish", "Egg Cup",
	}, packings: [10]string{
		", white", ", sand", ", night blue", ", set of 2", ", set of 4",
		", set of 6, boxed", ` "Sjömärke"`, ` "Provençal"`, " Seconds", " Deluxe",
	}},
	{cents: 1290, kinds: [10]string{
		"Frying Pan", "Saucepan", "Chef's Knife", "Paring Knife", "Cutting Board",
		"Roasting Tin", "Mandoline", "Mortar & Pestle", "Rolling Pin", "Whisk",
	}, packings: [10]string{
		`, 6"`, `, 8"`, `, 10"`, `, 12"`, ", carbon steel",
		", stainless, polished", ` "Pro"`, ` "Señor"`, " Starter", " Set",
	}},
	{cents: 1490, kinds: [10]string{
		"T-Shirt", "Linen Shirt", "Merino Jumper", "Denim Apron", "Raincoat",
		"Beanie", "Leather Belt", "Wool Socks", "Scarf", "Gloves",
	}, packings: [10]string{
		", S", ", M", ", L", ", XL", ", navy, M",
		", navy, L", ", écru, M", ", écru, L", ` "Fjällräven Cut"`, " Outlet",
	}},
	{cents: 990, kinds: [10]string{
		"Desk Lamp", "LED Bulb", "Extension Cord", "USB-C Cable", "Power Strip",
		"HDMI Cable", "Phone Stand", "Wireless Mouse", "Monitor Arm", "Travel Adapter",
	}, packings: [10]string{
		", 1 m", ", 2 m", ", 3 m", ", black", ", white",
		", black, 2-pack", ` "Mini"`, ` 19"`, ` 27"`, " Refurbished",
	}},
	{cents: 650, kinds: [10]string{
		"Wooden Train", "Building Blocks", "Memory Game", "Jigsaw Puzzle", "Plush Bear",
		"Kite", "Yo-Yo", "Finger Paint", "Doll's House", "Marble Run",
	}, packings: [10]string{
		", 24 parts", ", 48 parts", ", 100 parts", ", age 3+", ", age 6+",
		", red, age 3+", ` "Müsli & Möhre"`, ` "Junior"`, " Travel Size", " Anniversary Edition",
	}},
	{cents: 720, kinds: [10]string{
		"Garden Hose", "Pruning Shears", "Seed Tray", "Watering Can", "Plant Pot",
		"Trowel", "Twine", "Bird Feeder", "Compost Bin", "Kneeling Pad",
	}, packings: [10]string{
		", 5 l", ", 10 l", ", green", ", terracotta", ", zinc, large",
		", zinc, small", ` "Jardinière"`, ` 1/2"`, ` 3/4"`, " Bundle",
	}},
	{cents: 490, kinds: [10]string{
		"Olive Oil Soap", "Shampoo Bar", "Hand Cream", "Bath Salts", "Lip Balm",
		"Shea Butter", "Beard Oil", "Rosé Body Mist", "Sun Milk SPF 30", "Tooth Powder",
	}, packings: [10]string{
		", 50 ml", ", 100 ml", ", 250 ml", ", lavender", ", citrus & mint",
		", unscented, 100 ml", ` "Été à Nîmes"`, ` "No. 5½"`, " Twin Pack", " Travel Kit",
	}},
}

// catalogue is built once and never changed. It is in the order of popularity, in which neighbours are unlike.
var catalogue = sync.OnceValue(func() []catalogueItem {
	items := make([]catalogueItem, Products)
	for i := range items {
		// 389 and Products have no common factor, so that every product comes up once.
		id := (i*389 + 271) % Products
		r, kind, packing := &ranges[id/100], id/10%10, id%10
		items[i] = catalogueItem{
			name:  r.kinds[kind] + r.packings[packing],
			cents: r.cents + int64(kind*kind)*35 + int64(packing)*r.cents/4,
		}
	}
	return items
})

var stores = [...]string{
	"Amsterdam, Haarlemmerdijk", "Berlin", "Dublin, O'Connell St", "Genève", "København",
	"Kraków, Rynek Główny", "Lisboa", `London "The Yard"`, "München, Viktualienmarkt", `Paris "Le Marais"`,
	"São Paulo", "Zürich, Bahnhofstrasse",
}

var givenNames = [...]string{
	"Ada", "Ana", "Björn", "Chloé", "Dáithí", "Edsger", "Françoise", "Grace", "Hélène", "Ines",
	"Jürgen", "Ken", "Łukasz", "María José", "Niklaus", "Øyvind", "Priya", "Renée", "Siobhán", "Tomáš",
	"Uma", "Václav", "Wanjiru", "Xi", "Yoko", "Zoë", "Barbara", "Dennis", "Frances", "Tony",
}

var familyNames = [...]string{
	"Almeida", "Brontë", "Čapek", "D'Angelo", "Eriksson", "Fernández", "García", "Håkansson", "Ibáñez", "Jørgensen",
	"Kowalski", "Lefèvre", "Müller", "Núñez", "O'Brien", "Pérez", "Quinn", "Rossi", "Sørensen", "Tanaka",
	"Ünal", "van der Berg", "Wójcik", "Xu", "Yılmaz", "Žižka", "King, Jr.", "Smith", `"Red" Adair`, "Nakamura",
}

// customers is built once and never changed.
var customers = sync.OnceValue(func() []string {
	names := make([]string, 0, len(givenNames)*len(familyNames))
	for _, given := range givenNames {
		for _, family := range familyNames {
			names = append(names, given+" "+family)
		}
	}
	return names
})

// price takes a discount off a list price; both prices are in cents, and half a cent is the customer's.
func price(cents, percentOff int64) decimal.Decimal {
	// Two decimals fit any int64, so that this cannot panic.
	return decimal.MustNew(cents*(100-percentOff)/100, 2)
}
